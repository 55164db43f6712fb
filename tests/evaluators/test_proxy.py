"""The proxy from study file to result, on a few kilobytes of text."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from bomix.config.build import build, plain
from bomix.contracts.evaluator import PreparingEvaluator, ScaledEvaluator
from bomix.contracts.repetition import Matching
from bomix.errors import DataError, EvaluationError, FaultsError
from bomix.evaluators.proxy import Proxy
from bomix.evaluators.stacks import parts
from bomix.scale import Scale
from bomix.training import checkpoint, device, keeping
from bomix.training.data.corpus import load
from bomix.training.data.sources import Files
from bomix.training.data.spec import CorpusSpec
from bomix.training.data.tokenizer import BytePair
from bomix.training.device import Hardware
from bomix.training.model.decoder import Model
from bomix.training.optim import Optimization
from bomix.trial import EXPERT, SCORED_TOKENS, Failure, Reweighting, Trial

WORDS = {"code": "def return import class self lambda", "prose": "the of and moon river quietly"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("a study")
    rng = np.random.default_rng(0)
    for name, words in {**WORDS, "extra": "river class moon"}.items():
        (root / name).mkdir()
        for k in range(60):
            text = " ".join(rng.choice(words.split(), 60))
            (root / name / f"{k:02d}.txt").write_text(f"{k} {text}")
    return root


@pytest.fixture(scope="module")
def proxy(folder):
    spec = Proxy(
        sources={name: Files(paths=(f"{name}/*.txt",)) for name in WORDS},
        validation={"extra": Files(paths=("extra/*.txt",))},
        tokenizer=BytePair(vocabulary=300),
        corpus=CorpusSpec(cache="cache", validation_share=0.3),
        model=Model(hidden=32, layers=1, heads=2),
        sequence_length=16,
        batch_sequences=2,
        tokens=3_300,
        optimization=Optimization(rate=1e-2),
        curve_points=3,
        device="cpu",
        dtype="fp32",
        save_model=True,
    )
    return spec.relative_to(folder)


@pytest.fixture(scope="module")
def prepared(proxy):
    return proxy.prepare(tuple(WORDS))


@pytest.fixture(scope="module")
def outcome(proxy, prepared, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("attempt")
    trial = Trial(3, {"code": 0.7, "prose": 0.3}, seed=5, origin="sobol")
    return pickle.loads(pickle.dumps(proxy)).evaluate(trial, workdir), workdir


def test_it_is_a_preparing_evaluator(proxy):
    assert isinstance(proxy, PreparingEvaluator)


def test_preparation_tells_metrics_domains_scale_and_hashes(proxy, prepared, folder):
    assert {metric.name for metric in prepared.metrics} == {"code", "prose", "extra"}
    assert set(prepared.domains) == set(WORDS)
    assert all(stats.tokens > 500 and stats.bytes_per_token > 1 for stats in prepared.domains.values())
    assert prepared.scale.params == proxy.model.non_embedding_parameters()
    assert prepared.scale.tokens == 103 * 32
    keys = {"tokenizer", "train/code", "train/prose", "validation/code", "validation/prose", "validation/extra"}
    assert set(prepared.provenance) == keys


def test_a_result_holds_every_metric_and_what_was_really_drawn(outcome, prepared):
    result, _ = outcome
    assert set(result.losses) == set(result.sems) == {metric.name for metric in prepared.metrics}
    assert result.realized == {"code": 144 / 206, "prose": 62 / 206}
    for name, epochs in result.epochs.items():
        sequences = (prepared.domains[name].tokens - 1) // 16
        assert epochs == pytest.approx(result.realized[name] * 206 / sequences)
    assert list(result.curve.steps) == [35, 69, 103]
    assert all(result.curve.losses[name][-1] == loss for name, loss in result.losses.items())
    assert result.losses["code"] < result.curve.losses["code"][0]
    assert result.cost > 0
    assert result.info["device"] == "cpu"
    assert result.info["steps"] == 103
    assert result.info["tokens"] == 103 * 32
    assert result.info["non_embedding_parameters"] == prepared.scale.params


def test_the_same_trial_gives_the_same_losses_and_another_seed_others(proxy, outcome, tmp_path):
    result, _ = outcome
    weights = {"prose": 0.3, "code": 0.7}
    again = proxy.evaluate(Trial(9, weights, seed=5, origin="uniform"), tmp_path / "a")
    other = proxy.evaluate(Trial(9, weights, seed=6, origin="uniform"), tmp_path / "b")
    assert dict(again.losses) == dict(result.losses)
    assert other.losses["code"] != result.losses["code"]


def test_a_trial_is_trained_at_its_own_scale_and_says_what_was_really_run(proxy, prepared, outcome, tmp_path):
    small = replace(proxy, model=replace(proxy.model, hidden=None, layers=None, heads=None))
    assert small.scale == Scale(332_448, 103 * 32)
    trial = Trial(4, {"code": 0.7, "prose": 0.3}, 5, EXPERT, Scale(prepared.scale.params, 500))
    short = proxy.evaluate(trial, tmp_path / "short")
    assert (short.info["steps"], short.info["tokens"]) == (15, 480)
    assert short.curve.steps[-1] == 15
    assert short.info["non_embedding_parameters"] == prepared.scale.params
    # The trial's own parameters count, not those of the evaluator that trains it.
    large = proxy.evaluate(replace(trial, scale=Scale(332_448, 64)), tmp_path / "large")
    same = small.evaluate(replace(trial, scale=Scale(tokens=64)), tmp_path / "same")
    assert large.losses == same.losses != short.losses
    assert large.info["non_embedding_parameters"] == 332_448
    assert large.info["parameters"] > large.info["non_embedding_parameters"]
    assert (large.info["steps"], large.info["tokens"]) == (2, 64)


@pytest.mark.parametrize("scale", [None, Scale(params=13_408), Scale(tokens=103 * 32), Scale(tokens=3_300)])
def test_a_scale_that_is_the_proxys_own_changes_nothing(proxy, scale):
    assert proxy.scale.params == 13_408
    trial = Trial(3, {"code": 0.7, "prose": 0.3}, 5, "sobol")
    assert proxy.run_of(replace(trial, scale=scale)) == proxy.run_of(trial)


def test_a_trial_sees_as_much_of_each_domain_as_its_scale_does_of_the_target(proxy, prepared):
    matched = replace(proxy, matching=Matching(3_296_000.0, {"code": 320_000.0, "prose": 3_200_000.0}))
    trial = Trial(3, {"code": 0.7, "prose": 0.3}, 5, "sobol")
    assert matched.run_of(trial).sequences == {"code": 20, "prose": 200}
    assert matched.run_of(replace(trial, scale=Scale(tokens=64))).sequences == {"code": 1, "prose": 4}
    rule = Reweighting({"kind": "odm"}, batch_sequences=4)
    assert matched.run_of(replace(trial, reweighting=rule)).sequences == {"code": 20, "prose": 200}
    assert matched.run_of(replace(trial, origin=EXPERT)).sequences == {}
    assert proxy.run_of(trial).sequences == {}
    assert checkpoint_identity(matched, trial) != checkpoint_identity(proxy, trial)


def checkpoint_identity(proxy, trial):
    corpus = load(proxy.sources, proxy.validation, proxy.tokenizer, proxy.corpus, sequence_length=16)
    return checkpoint.identity_of(proxy.run_of(trial), corpus, "fp32")


def test_trials_of_several_seeds_see_their_own_cut_in_one_stack(proxy, prepared, tmp_path):
    """An expert among them sees all of its text; a run that reweights keeps to the cut."""
    matched = replace(proxy, matching=Matching(3_296_000.0, {"code": 320_000.0, "prose": 3_200_000.0}))
    weights = {"code": 0.7, "prose": 0.3}
    trials = [Trial(0, weights, 5, "sobol"), Trial(1, weights, 6, "sobol"), Trial(2, weights, 5, EXPERT)]
    attempts = [(trial, tmp_path / str(trial.id)) for trial in trials]
    for _, workdir in attempts:
        workdir.mkdir()
    found = [outcome for _, outcome in matched.evaluate_together(attempts)]
    alone = matched.evaluate(trials[1], tmp_path / "alone")
    assert found[1].losses["code"] == pytest.approx(alone.losses["code"], rel=1e-5)
    assert [each.epochs["code"] for each in found] == [144 / 20, 144 / 20, 144 / 153]
    assert found[0].losses["code"] > found[2].losses["code"]
    rule = Reweighting({"kind": "odm"})
    moved = matched.evaluate(Trial(4, weights, 5, "reweighting", reweighting=rule), tmp_path / "moved")
    assert moved.epochs["code"] == pytest.approx(moved.realized["code"] * 206 / 20)


def test_the_scale_that_is_really_trained_is_of_whole_steps(proxy):
    assert proxy.trained_scale(Scale(13_408, 3_300)) == proxy.trained_scale(proxy.scale) == proxy.scale
    assert proxy.trained_scale(Scale(tokens=500)) == Scale(13_408, 480)
    assert proxy.trained_scale(Scale(332_448)) == Scale(332_448, 103 * 32)
    trial = Trial(3, {"code": 0.7, "prose": 0.3}, 5, "sobol", Scale(332_448, 500))
    assert proxy.run_of(trial) == proxy.run_of(replace(trial, scale=proxy.trained_scale(trial.scale)))


def test_a_scale_that_cannot_be_trained_names_what_is_possible(proxy):
    sizes = "13408, 332448, 907360, 3115264, 10621824, 31631872, 84953856, 301253632, 1008027648"
    told = f"no decoder has 1000000 non-embedding parameters; the nearest has 907360 (possible: {sizes})"
    faults = proxy.scale_faults(Scale(1_000_000, 31))
    assert [str(fault) for fault in faults] == [f"params: {told}", "tokens: 31 tokens are less than one step of 32"]
    trial = Trial(3, {"code": 1.0, "prose": 0.0}, 5, EXPERT, Scale(1_000_000, 31))
    with pytest.raises(EvaluationError, match="trial 3: params: no decoder has 1000000"):
        proxy.run_of(trial)
    assert isinstance(proxy, ScaledEvaluator)


def test_the_saved_model_has_the_losses(proxy, outcome):
    import torch
    from transformers import AutoModelForCausalLM

    from tests.training.reading import evaluate

    result, workdir = outcome
    model = AutoModelForCausalLM.from_pretrained(workdir / result.artifacts["model"], dtype=torch.float32)
    corpus = load(proxy.sources, proxy.validation, proxy.tokenizer, proxy.corpus, sequence_length=16)
    found = evaluate(
        lambda x: model(input_ids=x).logits,
        corpus.validation["extra"],
        length=16,
        sequences=proxy.validation_sequences,
        hardware=Hardware("cpu", "fp32", False),
    )
    assert found.loss == pytest.approx(result.losses["extra"], rel=1e-4)


MIXTURES = ({"code": 0.7, "prose": 0.3}, {"code": 0.0, "prose": 1.0}, {"code": 0.5, "prose": 0.5})


@pytest.fixture(scope="module")
def together(proxy, prepared, tmp_path_factory):
    """What comes back of three trials in one stack, the first of which is also trained alone."""
    attempts = [
        (Trial(3 + at, weights, seed=5, origin=EXPERT if at == 1 else "sobol"), tmp_path_factory.mktemp(f"attempt{at}"))
        for at, weights in enumerate(MIXTURES)
    ]
    return attempts, list(proxy.evaluate_together(attempts))


def test_trials_together_are_what_each_is_alone(outcome, together):
    alone, _ = outcome
    _, found = together
    assert [trial.id for trial, _ in found] == [3, 4, 5]
    result = found[0][1]
    for name, loss in alone.losses.items():
        assert result.losses[name] == pytest.approx(loss, rel=1e-5)
    assert (result.realized, result.epochs, result.sems.keys()) == (alone.realized, alone.epochs, alone.sems.keys())
    assert (result.info["stack"], alone.info["stack"]) == (3, 1)
    assert result.info["model_flops_per_second"] > 0


def test_each_model_of_a_stack_is_saved_and_an_expert_is_scored(proxy, together):
    import torch
    from transformers import AutoModelForCausalLM

    from tests.training.reading import evaluate

    corpus = load(proxy.sources, proxy.validation, proxy.tokenizer, proxy.corpus, sequence_length=16)
    options = {"length": 16, "sequences": proxy.validation_sequences, "hardware": Hardware("cpu", "fp32", False)}
    for (trial, workdir), (_, result) in zip(*together, strict=True):
        model = AutoModelForCausalLM.from_pretrained(workdir / result.artifacts["model"], dtype=torch.float32).eval()
        read = evaluate(lambda x, model=model: model(input_ids=x).logits, corpus.validation["extra"], **options)
        assert read.loss == pytest.approx(result.losses["extra"], rel=1e-5)
        assert (SCORED_TOKENS in result.artifacts) == (trial.origin == EXPERT)


def test_a_trial_whose_loss_leaves_the_numbers_fails_and_the_others_do_not(proxy, prepared, monkeypatch, tmp_path):
    real = Proxy.run_of

    def run_of(self, trial):
        run = real(self, trial)
        wild = replace(run.spec, optimization=Optimization(rate=1e35))
        return replace(run, spec=wild) if trial.id == 1 else run

    monkeypatch.setattr(Proxy, "run_of", run_of)
    attempts = [(Trial(at, MIXTURES[0], seed=at, origin="sobol"), tmp_path / str(at)) for at in range(3)]
    for _, workdir in attempts:
        workdir.mkdir()
    found = dict(enumerate(outcome for _, outcome in proxy.evaluate_together(attempts)))
    assert isinstance(found[1], Failure)
    assert "loss is" in found[1].message
    assert all(np.isfinite(list(found[at].losses.values())).all() for at in (0, 2))


def test_a_stack_that_memory_does_not_hold_becomes_smaller_ones(proxy, prepared, monkeypatch, caplog, tmp_path):
    monkeypatch.setattr(device, "models_that_fit", lambda spec, vocabulary: 2)
    attempts = [(Trial(at, weights, seed=5, origin="sobol"), tmp_path / str(at)) for at, weights in enumerate(MIXTURES)]
    for _, workdir in attempts:
        workdir.mkdir()
    with caplog.at_level("INFO", logger="bomix"):
        found = list(proxy.evaluate_together(attempts))
    assert sorted(outcome.info["stack"] for _, outcome in found) == [1, 2, 2]
    assert "3 models do not fit into the memory that is free; 2 at a time do" in caplog.text


def test_a_batch_that_memory_does_not_hold_is_read_in_parts(proxy, prepared, outcome, monkeypatch, caplog, tmp_path):
    six = replace(proxy, batch_sequences=6, tokens=3_200)
    whole, part = (replace(six, micro_sequences=n).bytes_per_model(300, "fp32") for n in (6, 2))
    monkeypatch.setattr(device, "_free", lambda hardware: (part + whole) // 2)
    assert device.part_that_fits(six, 300) == 3
    monkeypatch.setattr(device, "_free", lambda hardware: part)
    assert device.part_that_fits(six, 300) == 2
    trial = Trial(3, {"code": 0.7, "prose": 0.3}, seed=5, origin="sobol")
    with caplog.at_level("INFO", logger="bomix"):
        found = six.evaluate(trial, tmp_path / "1")
    assert "a batch of 6 sequences does not fit into the memory that is free; it is read 2 at a time" in caplog.text
    monkeypatch.undo()
    for name, loss in six.evaluate(trial, tmp_path / "2").losses.items():
        assert found.losses[name] == pytest.approx(loss, rel=1e-5)
    monkeypatch.setattr(device, "_free", lambda hardware: 0)
    assert device.part_that_fits(six, 300) == 1


def test_trials_that_were_ended_go_on_each_from_its_own_step(proxy, together, tmp_path, monkeypatch, caplog):
    """The first is at another step than the others, and of the last one there is no file that can be read."""
    wrote, every = checkpoint.write, replace(proxy, checkpoint_s=1e-9)
    attempts = [(trial, tmp_path / f"{trial.id}" / "1") for trial, _ in together[0]]

    def end_at(step):
        def write(place, saved):
            wrote(place, saved)
            if saved.step >= step and place.folder.parent.name == last:
                raise KeyboardInterrupt

        return write

    for some, step in ((attempts[:1], 9), (attempts[1:], 20)):
        last = str(some[-1][0].id)
        monkeypatch.setattr(keeping, "SHARE_OF_TIME", 1e9)
        monkeypatch.setattr(checkpoint, "write", end_at(step))
        with pytest.raises(KeyboardInterrupt):
            list(every.evaluate_together(some))
    monkeypatch.undo()
    damaged = tmp_path / "5" / "1" / checkpoint.FILE
    damaged.write_bytes(damaged.read_bytes()[:-1])
    again = [(trial, tmp_path / f"{trial.id}" / "2") for trial, _ in attempts]
    found = dict(zip([3, 4, 5], [result for _, result in proxy.evaluate_together(again)], strict=True))
    for (trial, _), (_, undisturbed) in zip(*together, strict=True):
        assert found[trial.id].losses == undisturbed.losses
    assert [found[at].info.get("resumed_after_steps") for at in (3, 4, 5)] == [9, 20, None]
    assert f"{damaged} is not gone on from" in caplog.text
    assert [path.parent.parent.name for path in tmp_path.rglob(checkpoint.FILE)] == ["5"]


def test_a_proxy_without_checkpoints_looks_for_none_and_leaves_none_behind(proxy, prepared, tmp_path, monkeypatch):
    """Those of an attempt that was ended while there were some are of no use any more."""
    trial, wrote = Trial(3, {"code": 0.7, "prose": 0.3}, seed=5, origin="sobol"), checkpoint.write

    def end(place, saved):
        wrote(place, saved)
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "write", end)
    with pytest.raises(KeyboardInterrupt):
        replace(proxy, checkpoint_s=1e-9, tokens=320).evaluate(trial, tmp_path / "1")
    assert (tmp_path / "1" / checkpoint.FILE).exists()
    monkeypatch.setattr(checkpoint, "locate", lambda *_: pytest.fail("it looked for one"))
    monkeypatch.setattr(checkpoint, "write", lambda *_: pytest.fail("it wrote one"))
    found = replace(proxy, checkpoint_s=None, tokens=320).evaluate(trial, tmp_path / "2")
    assert "resumed_after_steps" not in found.info
    assert list(tmp_path.rglob(checkpoint.FILE)) == []


def test_a_model_that_takes_several_devices_is_no_part_of_a_stack(proxy):
    trials = [Trial(at, MIXTURES[0], at, "sobol") for at in range(3)]
    assert [len(group) for group in replace(proxy, devices=2).groups(trials, 1)] == [1, 1, 1]


def test_memory_is_counted_from_above(proxy):
    few, many = (proxy.bytes_per_model(vocabulary, "bf16") for vocabulary in (300, 50_000))
    assert few > proxy.model.parameters(300) * 20
    assert many > proxy.model.parameters(50_000) * 20
    assert device.models_that_fit(proxy, 300) == device.WIDEST_ON_CPU


def test_parts_are_few_and_of_about_one_size():
    assert list(parts([1, 2, 3, 4, 5, 6, 7], 3)) == [[1, 2], [3, 4, 5], [6, 7]]
    assert list(parts([1, 2], 3)) == [[1, 2]]


@pytest.mark.parametrize(
    ("stack", "slots", "sizes"), [("auto", 1, [5, 2]), ("auto", 2, [3, 2, 2]), (2, 1, [2, 1, 2, 2]), (1, 2, [1] * 7)]
)
def test_groups_are_of_one_scale_and_keep_the_slots_busy(proxy, stack, slots, sizes):
    trials = [Trial(at, MIXTURES[0], at, "sobol", Scale(tokens=500) if at in (2, 4) else None) for at in range(7)]
    groups = replace(proxy, stack=stack).groups(trials, slots)
    assert sorted(trial.id for group in groups for trial in group) == list(range(7))
    assert sorted(map(len, groups)) == sorted(sizes)
    for group in groups:
        assert len({trial.scale for trial in group}) == 1
        assert [trial.id for trial in group] == sorted(trial.id for trial in group)


def test_a_corpus_that_was_never_built_is_an_error(proxy, tmp_path):
    moved = replace(proxy, corpus=replace(proxy.corpus, cache=str(tmp_path)))
    with pytest.raises(DataError):
        moved.evaluate(Trial(0, {"code": 0.5, "prose": 0.5}, 0, "uniform"), tmp_path)


def test_everything_wrong_is_told_at_once():
    spec = Proxy(model=Model(size="7B"), optimization=Optimization(rate=-1.0), curve_points=0)
    with pytest.raises(FaultsError) as raised:
        spec.prepare(("web",))
    places = {fault.where for fault in raised.value.faults}
    expected = {"evaluator.tokens", "evaluator.model.size", "evaluator.optimization.rate", "evaluator.curve_points"}
    assert places == {*expected, "domains.web.source"}


def test_a_study_file_builds_it_and_it_reads_back():
    written = {
        "tokens": "384k",
        "tokenizer": {"kind": "bpe", "vocabulary": 1024},
        "model": {"size": "1M"},
        "optimization": {"preset": "belenki2025", "rate": 2e-3},
        "validation": {"mine": {"kind": "installed", "what": "stdlib"}},
        "compile": False,
    }
    spec, faults = build(Proxy, written)
    assert not faults
    assert (spec.tokens, spec.compile, spec.optimization.settings().optimizer) == (384_000, False, "adafactor")
    assert build(Proxy, plain(spec)) == (spec, [])


def test_the_spec_is_there_without_torch():
    code = (
        "import sys; from bomix.evaluators.proxy import Proxy; p = Proxy(tokens_per_parameter=20.0); p.faults();"
        "p.scale; print(*{'torch', 'transformers', 'scipy', 'tokenizers', 'datasets'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
