"""Which output stands for which class: stored names, given orders, and remedies that work when followed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import robustbench_lite as rb
from robustbench_lite.errors import DataError, InvalidInput, ModelError, RobustBenchWarning
from robustbench_lite.evaluation.class_order import by_names, ordered, parse_index, renumber
from robustbench_lite.evaluation.sanity import near_chance, plausible
from robustbench_lite.models import as_classifier, build, load_model, save_checkpoint
from robustbench_lite.reference.classes import tiny_imagenet_file_order, tiny_imagenet_wnids
from robustbench_lite.report import results_table
from robustbench_lite.results import Results

QUICK = {"device": "cpu", "batch_size": 16, "bootstrap": 0}


def folders(root: Path, names: Sequence[str], images: int = 12, side: int = 16) -> Path:
    """Class folders whose images have the brightness of their class's place in `names`."""
    step = 250 // len(names)
    for place, name in enumerate(names):
        (root / name).mkdir(parents=True)
        for number in range(images):
            level = place * step + 1 + number % max(step - 2, 1)
            Image.new("RGB", (side, side), (level,) * 3).save(root / name / f"{number}.png")
    return root


class Bright(nn.Module):
    """Right on `folders`: output j is the class at place `order[j]`."""

    def __init__(self, classes: int, order: Sequence[int] | None = None, side: int | None = None) -> None:
        super().__init__()
        step = 250 // classes
        levels = torch.tensor([place * step + step / 2 for place in order or range(classes)]) / 255
        self.register_buffer("levels", levels)
        self.side = side

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if self.side is not None and images.shape[2] != self.side:
            raise ValueError(f"Input height ({images.shape[2]}) doesn't match model ({self.side}).")
        return -500 * (images.mean(dim=(1, 2, 3))[:, None] - self.levels) ** 2


def clean_error(model: object, root: Path, **options: object) -> float:
    return evaluated(model, root, **options).summary["clean_error"]


def evaluated(model: object, root: Path, **options: object) -> Results:
    return rb.evaluate(model, "custom", clean_data=root, **{**QUICK, **options})


TWELVE = [str(number) for number in range(12)]
AS_TEXT = [TWELVE.index(name) for name in sorted(TWELVE)]


def test_a_network_trained_on_numbered_classes_is_right_on_folders_named_by_numbers(tmp_path: Path) -> None:
    results = evaluated(Bright(12), folders(tmp_path, TWELVE))
    assert results.summary["clean_error"] == 0
    assert results.provenance["data"]["class_order"] == "numeric"


def test_a_network_trained_on_the_text_order_stops_with_an_option_that_works(tmp_path: Path) -> None:
    root = folders(tmp_path, TWELVE)
    with pytest.raises(
        ModelError, match=r"on the same images `class_order='text'` brings the error to 0\.0 %"
    ):
        evaluated(Bright(12, AS_TEXT), root)
    results = evaluated(Bright(12, AS_TEXT), root, class_order="text")
    assert results.summary["clean_error"] == 0
    assert results.provenance["fit"] == {"outputs": "outputs reordered: class order text, as given"}


@pytest.mark.parametrize(
    ("names", "order", "option"),
    [
        (["Bee", "ant", "cat", "dog"], [1, 0, 2, 3], "class_order='ignore-case'"),
        (["a", "b", "c", "d", "e"], [4, 0, 1, 2, 3], "output_index='1-4,0'"),
        (["a", "b", "c", "d", "e"], [1, 2, 3, 4, 0], "output_index='4,0-3'"),
    ],
)
def test_each_remedy_that_is_offered_works_when_it_is_followed(
    tmp_path: Path, names: list[str], order: list[int], option: str
) -> None:
    root = folders(tmp_path, names, images=30)
    model = Bright(len(names), order)
    with pytest.raises(ModelError, match=re.escape(f"`{option}` brings the error to 0.0 %")):
        evaluated(model, root)
    keyword, _, value = option.partition("=")
    assert clean_error(model, root, **{keyword: value.strip("'")}) == 0


def test_any_other_order_is_recognised_and_a_list_of_names_mends_it(tmp_path: Path) -> None:
    names = [f"class {chr(97 + number)}" for number in range(10)]
    root = folders(tmp_path / "images", names, images=20)
    order = [3, 1, 4, 0, 5, 9, 2, 6, 8, 7]
    with pytest.raises(ModelError, match=r"one renumbering .* to 0\.0 %: .* as `class_order=FILE`"):
        evaluated(Bright(10, order), root)
    (tmp_path / "names.txt").write_text("\n".join(names[place] for place in order))
    assert clean_error(Bright(10, order), root, class_order=str(tmp_path / "names.txt")) == 0


def test_a_good_network_is_not_doubted_and_chance_is_no_renumbering() -> None:
    generator = np.random.default_rng(0)
    labels = np.arange(1000) % 100
    noise = generator.integers(0, 100, 1000)
    assert not renumber(noise, labels, 100, lambda accuracy, n: plausible(accuracy, n, 100)).certain
    assert not renumber(labels, labels, 100, lambda accuracy, n: plausible(accuracy, n, 100)).certain


def test_the_order_of_wnids_txt_is_one_of_the_orders() -> None:
    names = tiny_imagenet_wnids()
    assert sorted(tiny_imagenet_file_order()) == list(names)
    assert ordered(names, "wnids.txt")[:2] == ["n02124075", "n04067472"]
    with pytest.raises(InvalidInput, match="200 classes of Tiny-ImageNet"):
        ordered(["a"], "wnids.txt")
    with pytest.raises(InvalidInput, match="names are whole numbers"):
        ordered(["a"], "numeric")


def test_tiny_imagenet_in_the_order_of_its_file_stops_with_an_option_that_works(tmp_path: Path) -> None:
    names = tiny_imagenet_wnids()
    for place, name in enumerate(names):
        (tmp_path / "val" / name).mkdir(parents=True)
        for copy in range(2):
            Image.new("RGB", (64, 64), (place, 255 - place, 0)).save(tmp_path / "val" / name / f"{copy}.png")
    file_order = [names.index(wnid) for wnid in tiny_imagenet_file_order()]

    def network(images: torch.Tensor) -> torch.Tensor:
        levels = torch.tensor(file_order) / 255
        return -1e4 * (images[:, 0].mean(dim=(1, 2))[:, None] - levels) ** 2

    with pytest.raises(ModelError, match=r"`class_order='wnids\.txt'` brings the error to 0\.0 %"):
        rb.evaluate(network, "tiny-imagenet", data=tmp_path, **QUICK)
    results = rb.evaluate(network, "tiny-imagenet", data=tmp_path, class_order="wnids.txt", **QUICK)
    assert results.summary["clean_error"] == 0


@pytest.mark.parametrize(
    ("stored", "names", "index"),
    [
        (["b", "a"], ["a", "b"], (1, 0)),
        (["Cat", "hot-dog"], ["hot_dog", "cat"], (1, 0)),
        (sorted(TWELVE), TWELVE, tuple(sorted(TWELVE).index(name) for name in TWELVE)),
        (["a", "b", "c"], ["c", "a"], (2, 0)),
    ],
)
def test_stored_names_decide_the_order(stored: list[str], names: list[str], index: tuple[int, ...]) -> None:
    order = by_names(stored, names, len(stored), official=False)
    assert order is not None
    assert order.index == index


@pytest.mark.parametrize(
    ("stored", "outputs", "official"),
    [
        (["a", "b"], 2, False),  # the suite's own order
        (["LABEL_0", "LABEL_1"], 2, False),
        (["b", "a"], 3, False),  # of another length than the outputs
        (["katze", "hund"], 2, True),  # another language says nothing of a published order
        (None, 2, False),
    ],
)
def test_names_that_show_nothing_leave_the_outputs_as_they_are(
    stored: list[str] | None, outputs: int, official: bool
) -> None:
    assert by_names(stored, ["a", "b"], outputs, official=official) is None


def test_stored_names_without_a_counterpart_stop_the_run_and_are_listed() -> None:
    with pytest.raises(
        ModelError, match=r"stored with the model differ from those of the suite: bee are not"
    ):
        by_names(["ant", "wasp"], ["ant", "bee"], 2, official=False)


def test_an_index_is_read_from_text_and_from_a_file(tmp_path: Path) -> None:
    assert parse_index("1-3,0") == (1, 2, 3, 0)
    (tmp_path / "index.txt").write_text("2\n0\n")
    assert parse_index(str(tmp_path / "index.txt")) == (2, 0)
    with pytest.raises(InvalidInput, match="neither numbers such as 1-1000 nor a file"):
        parse_index("first")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"class_order": "text", "output_index": "0,1,2"}, "say the same: give one of them"),
        ({"output_index": "0,1"}, "names 2 outputs, but the suite has 3 classes"),
        ({"channels": "gbr"}, "unknown order of channels"),
        ({"input_size": 4}, "at least 8 pixels"),
    ],
)
def test_options_that_cannot_apply_are_told(tmp_path: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        evaluated(Bright(3), folders(tmp_path, ["a", "b", "c"]), **options)


def test_an_output_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"has 3 outputs, but output 3 is asked for"):
        evaluated(Bright(3), folders(tmp_path, ["a", "b", "c"]), output_index="1-3")


def test_names_are_needed_for_an_order_of_names(tmp_path: Path) -> None:
    images = np.zeros((4, 16, 16, 3), np.uint8)
    with pytest.raises(InvalidInput, match=r"classes of this suite have no names: give `classes=FILE`"):
        evaluated(Bright(2), (images, np.array([0, 1, 0, 1])), class_order="text")


class Wider(Bright):
    """`Bright` with a background class before the others."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits = super().forward(images)
        return torch.cat([logits.amin(dim=1, keepdim=True) - 1, logits], dim=1)


def test_a_background_class_is_named_and_left_out_as_advised(tmp_path: Path) -> None:
    root = folders(tmp_path, ["a", "b", "c"])
    with pytest.raises(
        ModelError, match=r"has 4 outputs, but the suite has 3 classes\. .*`output_index='1-3'`"
    ):
        evaluated(Wider(3), root)
    results = evaluated(Wider(3), root, output_index="1-3")
    assert results.summary["clean_error"] == 0
    assert results.provenance["fit"]["outputs"].startswith("3 of 4 outputs used")


def test_a_superset_of_the_classes_is_mapped_by_names_and_by_index(tmp_path: Path) -> None:
    root = folders(tmp_path / "images", ["a", "b", "c"])
    (tmp_path / "names.txt").write_text("x\nc\ny\na\nb\n")

    def network(images: torch.Tensor) -> torch.Tensor:
        logits = Bright(3)(images)
        low = logits.amin(dim=1, keepdim=True) - 1
        return torch.cat([low, logits[:, 2:], low, logits[:, :2]], dim=1)

    with pytest.raises(ModelError, match=r"5 outputs, but the suite has 3 classes\. .*`class_order=FILE`"):
        evaluated(network, root)
    assert clean_error(network, root, class_order=str(tmp_path / "names.txt")) == 0
    assert clean_error(network, root, output_index="3,4,1") == 0
    (tmp_path / "names.txt").write_text("x\nc\ny\na\nz\n")
    with pytest.raises(DataError, match=r"the classes of the suite: b are not in the class list of 5 names"):
        evaluated(network, root, class_order=str(tmp_path / "names.txt"))


@pytest.mark.parametrize("probability", [False, True])
def test_one_output_for_two_classes_is_a_sigmoid_and_the_record_says_so(
    tmp_path: Path, probability: bool
) -> None:
    def network(images: torch.Tensor) -> torch.Tensor:
        score = 20 * (images.mean(dim=(1, 2, 3)) - 125 / 255)[:, None]
        return score.sigmoid() if probability else score

    root = folders(tmp_path, ["a", "b"])
    if probability:
        with pytest.warns(RobustBenchWarning, match="a sigmoid's output p is taken as the logits"):
            results = evaluated(network, root)
    else:
        results = evaluated(network, root)
    assert results.summary["clean_error"] == 0
    assert "one output for two classes" in results.provenance["fit"]["outputs"]


def test_channels_in_the_order_bgr_are_a_remedy_that_works(tmp_path: Path) -> None:
    for place, name in enumerate(("a", "b", "c", "d")):
        (tmp_path / name).mkdir()
        for number in range(10):
            Image.new("RGB", (16, 16), (60 * place + number, 0, 200)).save(tmp_path / name / f"{number}.png")

    def network(images: torch.Tensor) -> torch.Tensor:
        levels = torch.tensor([60.0 * place + 5 for place in range(4)]) / 255
        return -500 * (images[:, 2].mean(dim=(1, 2))[:, None] - levels) ** 2

    with pytest.raises(ModelError, match=r"`channels='bgr'` brings the error to 0\.0 %"):
        evaluated(network, tmp_path)
    results = evaluated(network, tmp_path, channels="bgr")
    assert results.summary["clean_error"] == 0
    assert results.provenance["fit"] == {"channels": "bgr"}


def test_values_of_0_to_255_are_a_remedy_that_works(tmp_path: Path) -> None:
    root = folders(tmp_path, ["a", "b", "c", "d"], images=20)

    def network(images: torch.Tensor) -> torch.Tensor:
        return Bright(4)(images / 255) if images.max() > 1.5 else torch.zeros(len(images), 4)

    with pytest.raises(
        ModelError, match=r"`normalize='(0,0\.0039\d+)'` \(values 0 to 255\) brings"
    ) as caught:
        evaluated(network, root)
    option = re.search(r"normalize='(0,[\d.]+)'", str(caught.value))
    assert option is not None
    assert clean_error(network, root, normalize=option[1]) == 0


def test_a_remedy_that_leaves_the_error_implausible_is_not_offered(tmp_path: Path) -> None:
    root = folders(tmp_path, [chr(97 + number) for number in range(20)], images=20)

    def network(images: torch.Tensor) -> torch.Tensor:
        # As good as guessing, but for a few images whose channels are swapped.
        noise = (images[:, 0, 0, 0] * 7919).frac()
        return -((torch.arange(20) - 20 * noise[:, None]) ** 2)

    with pytest.raises(ModelError, match="no usual normalisation, order of channels or order of classes"):
        evaluated(network, root)


@pytest.mark.parametrize(
    ("right", "n", "classes", "near"),
    [
        (14, 14, 2, False),
        (3, 3, 2, False),
        (11, 14, 2, False),
        (8, 14, 2, True),
        (500, 1000, 2, True),
        (590, 1000, 2, True),
        (760, 1000, 2, False),
        (2, 1000, 1000, True),
        (3, 10, 10, True),
        (9, 10, 10, False),
    ],
)
def test_near_chance_is_a_one_sided_test_with_its_n(right: int, n: int, classes: int, near: bool) -> None:
    assert near_chance(right / n, n, classes) is near


def test_two_classes_and_14_images_all_right_are_no_chance(tmp_path: Path) -> None:
    assert clean_error(Bright(2), folders(tmp_path, ["a", "b"], images=7)) == 0


@pytest.mark.parametrize("advised", [False, True])
def test_a_model_of_another_size_is_resized_to_as_its_error_advises(tmp_path: Path, advised: bool) -> None:
    root = folders(tmp_path / "images", ["a", "b", "c"])
    if not advised:
        with pytest.raises(
            ModelError,
            match=r"does not take images of shape \(2, 3, 16, 16\) \(Input height \(16\) doesn't match model "
            r"\(384\)\.\)\. It takes 384 x 384 pixels: `input_size=384` resizes the 16 px images",
        ):
            evaluated(Bright(3, side=384), root)
        return
    results = evaluated(Bright(3, side=384), root, input_size=384, out=tmp_path / "run")
    assert results.summary["clean_error"] == 0
    text = "16 px images resized to 384 px (bicubic, antialiased)"
    assert results.provenance["fit"] == {"input": text}
    assert text in results_table([results]).render("text", 200)
    again = evaluated(Bright(3, side=384), root, input_size=384, out=tmp_path / "run")
    assert again.summary == results.summary
    with pytest.raises(DataError, match="holds another run"):
        evaluated(Bright(3), root, out=tmp_path / "run")


def test_the_members_of_an_ensemble_are_fitted_each(tmp_path: Path) -> None:
    root = folders(tmp_path, ["a", "b", "c"])
    models = [Bright(3, side=32), Bright(3)]
    assert clean_error(models, root, input_size=32) == 0


def test_a_size_for_which_several_are_possible_is_left_to_the_user(tmp_path: Path) -> None:
    def network(images: torch.Tensor) -> torch.Tensor:
        if images.shape[2] < 200:
            raise ValueError("Kernel size can't be greater than actual input size")
        return Bright(3)(images)

    with pytest.raises(
        ModelError, match=r"takes 224, 240, .* pixels: `input_size=N`, with the side it was made"
    ):
        evaluated(network, folders(tmp_path, ["a", "b", "c"]))


def test_the_names_in_our_own_checkpoint_reorder_its_outputs(tmp_path: Path) -> None:
    names = ["dog", "Cat", "bee"]
    root = folders(tmp_path / "images", ["bee", "cat", "dog"], side=32)
    network = build("resnet-8", 3).eval()
    save_checkpoint(
        tmp_path / "mine.pt",
        network,
        architecture="resnet-8",
        num_classes=3,
        mean=(0.5,) * 3,
        std=(0.5,) * 3,
        class_names=names,
    )
    results = evaluated(tmp_path / "mine.pt", root, force=True, out=tmp_path / "run")
    assert results.provenance["fit"]["outputs"] == (
        "outputs reordered: matched with the class names that are stored with the model"
    )
    images = torch.stack([torch.full((3, 32, 32), (83 * place + 42) / 255) for place in range(3)])
    plain = network((images - 0.5) / 0.5).argmax(1)
    fitted = load_model(tmp_path / "mine.pt")
    assert fitted.info.class_names == tuple(names)
    assert fitted(images).argmax(1).tolist() == plain.tolist()
    (tmp_path / "images" / "bee").rename(tmp_path / "images" / "wasp")
    with pytest.raises(
        ModelError, match=r"differ from those of the suite: wasp are not .* counterpart .*: bee"
    ):
        evaluated(tmp_path / "mine.pt", root)
    assert evaluated(tmp_path / "mine.pt", root, class_order="text", force=True).complete


def test_a_generated_suite_has_the_class_names_of_its_clean_images(tmp_path: Path) -> None:
    root = folders(tmp_path, TWELVE)
    options = {"corruptions": ["brightness"], "severities": [1], "class_order": "text"}
    results = rb.evaluate(Bright(12, AS_TEXT), "custom-c", clean_data=root, **QUICK, **options)
    assert results.summary["clean_error"] == 0


def test_a_superset_that_is_found_by_stored_names_is_a_warning(tmp_path: Path) -> None:
    model = as_classifier(Bright(4, [2, 3, 0, 1]))
    model.info = replace(model.info, class_names=("c", "d", "a", "b"))
    root = folders(tmp_path, ["a", "b", "c", "d"])
    assert clean_error(model, root) == 0
    (root / "d").rename(tmp_path.parent / f"{tmp_path.name}-d")
    with pytest.warns(RobustBenchWarning, match="3 of the model's 4 outputs are classes of the suite"):
        assert clean_error(model, root) == 0


def test_a_model_whose_weights_were_made_for_another_size_is_told(tmp_path: Path) -> None:
    model = as_classifier(Bright(3))
    model.info = replace(model.info, input_size=64)
    root = folders(tmp_path, ["a", "b", "c"])
    with pytest.warns(RobustBenchWarning, match="made for 64 px images and get the 16 px images"):
        evaluated(model, root)
    assert clean_error(model, root, input_size=64) == 0


def test_a_class_list_on_an_official_suite_finds_the_outputs(tmp_path: Path) -> None:
    names = tiny_imagenet_wnids()
    folders(tmp_path / "val", names[:5], images=4, side=64)

    def network(images: torch.Tensor) -> torch.Tensor:
        logits = Bright(5)(images)
        rest = logits.amin(dim=1, keepdim=True) - 1
        return torch.cat([logits, rest.expand(-1, 197)], dim=1).flip(1)

    listed = [*names, "n00000001", "n00000002"][::-1]
    results = rb.evaluate(network, "tiny-imagenet", data=tmp_path, classes=listed, **QUICK)
    assert results.summary["clean_error"] == 0
    (tmp_path / "names.txt").write_text("\n".join(listed[:-1]))
    with pytest.raises(DataError, match=rf"the classes of the suite: {names[0]} are not"):
        rb.evaluate(network, "tiny-imagenet", data=tmp_path, classes=tmp_path / "names.txt", **QUICK)


def test_a_class_list_of_another_length_than_the_outputs_is_refused(tmp_path: Path) -> None:
    root = folders(tmp_path, ["a", "b", "c"])
    with pytest.raises(ModelError, match="has 5 outputs, but the class list that is given has 4 names"):
        evaluated(Bright(5), root, class_order=["a", "b", "c", "d"])
    with pytest.raises(
        ModelError, match=r"5 outputs, but the suite has 3 classes.*; the class list .* has 3 names"
    ):
        evaluated(Bright(5), root, classes=["a", "b", "c"])


def test_a_given_class_list_wins_over_stored_names(tmp_path: Path) -> None:
    root = folders(tmp_path, ["a", "b", "c"])
    model = as_classifier(Bright(3))
    model.info = replace(model.info, class_names=("un", "deux", "trois"))
    with pytest.raises(ModelError, match="class names stored with the model differ"):
        evaluated(model, root)
    assert clean_error(model, root, classes=["a", "b", "c"]) == 0


def test_a_table_of_labels_is_for_own_images(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"`labels=FILE` is for your own images, and imagenet has labels"):
        rb.evaluate(Bright(3), "imagenet", data=tmp_path, labels=tmp_path / "labels.csv", **QUICK)


def test_a_flat_folder_with_a_table_of_labels_is_evaluated(tmp_path: Path) -> None:
    (tmp_path / "flat").mkdir()
    for number in range(12):
        Image.new("RGB", (16, 16), (83 * (number % 3) + 20,) * 3).save(tmp_path / "flat" / f"{number}.png")
    lines = [f"{number}.png,{'abc'[number % 3]}" for number in range(12)]
    (tmp_path / "labels.csv").write_text("\n".join(["file,label", *lines]))
    assert clean_error(Bright(3), tmp_path / "flat", labels=tmp_path / "labels.csv") == 0
