"""Every module has a test file of its name at the mirrored place, or a line here that says which file tests it.

``bomix/space/polytope.py`` is tested in ``tests/space/test_polytope.py``; where a module is tested together with its
neighbour, the table names the file, which then imports the module.
"""

from __future__ import annotations

import ast
import functools
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TESTS = ROOT / "tests"
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in (ROOT / "bomix").rglob("*.py")
    if path.name != "__init__.py"
)

COVERED = {
    "bomix.__main__": "test_imports.py",
    "bomix.acquisition.contenders": "acquisition/test_joint_draws.py",
    "bomix.acquisition.functions": "acquisition/test_joint_draws.py",
    "bomix.acquisition.lookahead": "acquisition/test_joint_draws.py",
    "bomix.acquisition.narrowed": "acquisition/test_trust.py",
    "bomix.benchmark.cases": "benchmark/test_benchmark.py",
    "bomix.benchmark.cells": "benchmark/test_benchmark.py",
    "bomix.benchmark.dataset": "benchmark/test_benchmark.py",
    "bomix.benchmark.figures": "benchmark/test_benchmark.py",
    "bomix.benchmark.methods": "benchmark/test_benchmark.py",
    "bomix.benchmark.runner": "benchmark/test_benchmark.py",
    "bomix.benchmark.tables": "benchmark/test_benchmark.py",
    "bomix.cli.benchmark": "benchmark/test_benchmark.py",
    "bomix.cli.drafted": "cli/test_from_tables.py",
    "bomix.cli.import_preview": "cli/test_importing.py",
    "bomix.cli.jobs": "cli/test_cancel.py",
    "bomix.cli.main": "cli/test_commands.py",
    "bomix.cli.phases": "study/test_phases.py",
    "bomix.cli.reading_options": "cli/test_from_tables.py",
    "bomix.cli.spinner": "cli/test_report.py",
    "bomix.cli.surrogate_line": "cli/test_inspect.py",
    "bomix.config.components": "contracts/test_traits.py",
    "bomix.config.expert_checks": "study/test_experts.py",
    "bomix.config.replicate_checks": "strategies/test_replicates.py",
    "bomix.config.secret": "cli/test_security.py",
    "bomix.config.sections": "study/test_study.py",
    "bomix.config.settled": "study/test_calls.py",
    "bomix.config.spec": "config/test_schema.py",
    "bomix.config.wording": "config/test_build.py",
    "bomix.contracts.acquisition": "contracts/test_protocols.py",
    "bomix.contracts.callback": "execution/test_callbacks.py",
    "bomix.contracts.context": "laws/test_fit.py",
    "bomix.contracts.covariance": "surrogates/kernels/test_stationary.py",
    "bomix.contracts.evaluator": "contracts/test_protocols.py",
    "bomix.contracts.exporter": "contracts/test_protocols.py",
    "bomix.contracts.kernel": "contracts/test_protocols.py",
    "bomix.contracts.mean": "contracts/test_protocols.py",
    "bomix.contracts.objective": "contracts/test_protocols.py",
    "bomix.contracts.preparation": "study/test_study.py",
    "bomix.contracts.queued": "cli/test_cancel.py",
    "bomix.contracts.reweighter": "contracts/test_protocols.py",
    "bomix.contracts.strategy": "contracts/test_protocols.py",
    "bomix.contracts.study": "execution/test_queue.py",
    "bomix.contracts.surrogate": "contracts/test_protocols.py",
    "bomix.contracts.text": "contracts/test_protocols.py",
    "bomix.data_experts.compression": "data_experts/test_mixture.py",
    "bomix.data_experts.log_sums": "data_experts/test_mixture.py",
    "bomix.data_experts.losses": "surrogates/means/test_experts.py",
    "bomix.data_experts.multiple_choice": "data_experts/test_mixture.py",
    "bomix.dataset": "test_history.py",
    "bomix.evaluators.stacks": "evaluators/test_proxy.py",
    "bomix.evaluators.synthetic.emulator_families": "evaluators/synthetic/test_emulator.py",
    "bomix.evaluators.synthetic.families": "evaluators/synthetic/test_spec.py",
    "bomix.evaluators.synthetic.functions": "evaluators/synthetic/test_spec.py",
    "bomix.evaluators.synthetic.laws": "evaluators/synthetic/test_spec.py",
    "bomix.evaluators.synthetic.observed": "evaluators/synthetic/test_spec.py",
    "bomix.evaluators.synthetic.optimum": "evaluators/synthetic/test_spec.py",
    "bomix.evaluators.synthetic.scores": "evaluators/synthetic/test_spec.py",
    "bomix.evaluators.synthetic.tasks": "evaluators/synthetic/test_spec.py",
    "bomix.execution.attempt.left_behind": "execution/local/test_limits.py",
    "bomix.execution.attempt.redaction": "cli/test_security.py",
    "bomix.execution.local.job": "execution/local/test_groups.py",
    "bomix.execution.local.spec": "execution/local/test_executor.py",
    "bomix.execution.observer": "execution/test_driver.py",
    "bomix.execution.pool.calls": "execution/pool/test_executor.py",
    "bomix.execution.pool.notes": "execution/pool/test_worker.py",
    "bomix.execution.pool.warm": "execution/pool/test_worker.py",
    "bomix.execution.ray.bridge": "execution/ray/test_pool.py",
    "bomix.execution.ray.cluster": "execution/ray/test_pool.py",
    "bomix.execution.ray.outcomes": "execution/ray/test_pool.py",
    "bomix.execution.ray.task": "execution/ray/test_pool.py",
    "bomix.execution.slurm.evaluator": "execution/slurm/test_executor.py",
    "bomix.execution.slurm.jobs": "execution/slurm/test_executor.py",
    "bomix.execution.slurm.resources": "execution/slurm/test_script.py",
    "bomix.io.artifacts.harness_results": "io/imports/test_lm_eval.py",
    "bomix.io.artifacts.scored_tokens": "data_experts/test_token_table.py",
    "bomix.io.exports.csv_file": "io/exports/test_forms.py",
    "bomix.io.exports.doremi": "io/exports/test_forms.py",
    "bomix.io.exports.gpt_neox": "io/exports/test_forms.py",
    "bomix.io.exports.grain": "io/exports/test_forms.py",
    "bomix.io.exports.hugging_face": "io/exports/test_forms.py",
    "bomix.io.exports.items": "io/exports/test_forms.py",
    "bomix.io.exports.json_file": "io/exports/test_forms.py",
    "bomix.io.exports.levanter": "io/exports/test_forms.py",
    "bomix.io.exports.litdata": "io/exports/test_forms.py",
    "bomix.io.exports.litgpt": "io/exports/test_forms.py",
    "bomix.io.exports.megatron": "io/exports/test_forms.py",
    "bomix.io.exports.nanotron": "io/exports/test_forms.py",
    "bomix.io.exports.nemo": "io/exports/test_forms.py",
    "bomix.io.exports.olmix": "io/exports/test_forms.py",
    "bomix.io.exports.olmo_core": "io/exports/test_forms.py",
    "bomix.io.exports.phased": "study/test_phases.py",
    "bomix.io.exports.python_file": "io/exports/test_forms.py",
    "bomix.io.exports.regmix": "io/exports/test_forms.py",
    "bomix.io.exports.streaming": "io/exports/test_forms.py",
    "bomix.io.exports.torchdata": "io/exports/test_forms.py",
    "bomix.io.exports.torchtitan": "io/exports/test_forms.py",
    "bomix.io.exports.webdataset": "io/exports/test_forms.py",
    "bomix.io.exports.writing": "io/exports/test_mixture.py",
    "bomix.io.exports.yaml_file": "io/exports/test_forms.py",
    "bomix.io.imports.carried": "io/imports/test_domain_changes.py",
    "bomix.io.imports.columns": "io/imports/test_csv.py",
    "bomix.io.imports.comparability": "io/imports/test_selecting.py",
    "bomix.io.imports.differences": "io/imports/test_identity.py",
    "bomix.io.imports.offline": "io/imports/test_tracked.py",
    "bomix.io.imports.phased": "study/test_phases.py",
    "bomix.io.imports.tensorboard": "io/imports/test_tracked.py",
    "bomix.io.imports.trackio": "io/imports/test_tracked.py",
    "bomix.io.imports.wandb": "io/imports/test_tracked.py",
    "bomix.io.imports.weight_columns": "io/imports/test_drafting.py",
    "bomix.io.store.aside": "io/store/test_study_folder.py",
    "bomix.io.store.cache": "training/data/test_corpus.py",
    "bomix.io.store.incoming": "io/store/test_records.py",
    "bomix.io.store.lock": "io/store/test_study_folder.py",
    "bomix.io.store.memory_store": "io/store/test_study_folder.py",
    "bomix.io.store.phased": "study/test_phases.py",
    "bomix.io.tables.columnar": "io/tables/test_formats.py",
    "bomix.io.tables.delimited": "io/tables/test_reading.py",
    "bomix.io.tables.excel": "io/tables/test_formats.py",
    "bomix.io.tables.records": "io/tables/test_formats.py",
    "bomix.io.tables.table": "io/tables/test_formats.py",
    "bomix.laws.convexity": "strategies/regression/test_law.py",
    "bomix.laws.fit_data": "laws/test_fit.py",
    "bomix.laws.formulas": "laws/test_forms.py",
    "bomix.laws.law": "laws/test_forms.py",
    "bomix.numerics.pairwise": "surrogates/kernels/test_stationary.py",
    "bomix.objectives.pareto": "objectives/test_robust.py",
    "bomix.optimization.branch_and_bound": "strategies/regression/test_mde.py",
    "bomix.optimization.convex": "strategies/regression/test_kl.py",
    "bomix.optimization.level_set": "recommendation/test_recommend.py",
    "bomix.optimization.minimize": "strategies/regression/test_law.py",
    "bomix.optimization.relative_entropy": "strategies/regression/test_kl.py",
    "bomix.optimization.sequential_quadratic": "strategies/regression/test_mde.py",
    "bomix.optimization.simplex_map": "optimization/test_multistart.py",
    "bomix.posterior.explored": "recommendation/test_stopping.py",
    "bomix.problem": "test_history.py",
    "bomix.recommendation.caveats": "recommendation/test_recommend.py",
    "bomix.recommendation.front": "acquisition/test_hypervolume.py",
    "bomix.recommendation.nearly_as_good": "recommendation/test_recommend.py",
    "bomix.recommendation.prediction_check": "recommendation/test_recommend.py",
    "bomix.report.figures.answer": "report/test_html.py",
    "bomix.report.figures.catalogue": "report/test_html.py",
    "bomix.report.figures.checks": "report/test_html.py",
    "bomix.report.figures.correlation": "report/test_correlation.py",
    "bomix.report.figures.effects": "report/test_html.py",
    "bomix.report.figures.runs": "report/test_html.py",
    "bomix.report.figures.search": "report/test_html.py",
    "bomix.report.figures.style": "report/test_html.py",
    "bomix.report.findings": "report/test_html.py",
    "bomix.report.images": "cli/test_report.py",
    "bomix.report.limits": "report/test_summary.py",
    "bomix.report.phases": "study/test_phases.py",
    "bomix.report.prose": "report/test_html.py",
    "bomix.report.repetition": "recommendation/test_repetition.py",
    "bomix.report.sentences": "cli/test_summary.py",
    "bomix.report.shown": "cli/test_summary.py",
    "bomix.report.sliders": "report/test_html.py",
    "bomix.report.tables": "report/test_html.py",
    "bomix.space.blame": "space/test_constraint_checks.py",
    "bomix.space.choices": "space/test_constrained.py",
    "bomix.space.display": "cli/test_summary.py",
    "bomix.space.even": "space/test_hit_and_run.py",
    "bomix.space.linear": "space/test_constrained.py",
    "bomix.space.polytope": "space/test_mixture_space.py",
    "bomix.space.programme": "space/test_constrained.py",
    "bomix.space.uniform": "space/test_mixture_space.py",
    "bomix.strategies.at_target": "strategies/test_auto.py",
    "bomix.strategies.bayesian.affordable": "strategies/bayesian/test_cost_aware.py",
    "bomix.strategies.bayesian.embedded": "strategies/bayesian/test_turbo.py",
    "bomix.strategies.bayesian.search": "study/test_experts.py",
    "bomix.strategies.bayesian.spaced": "strategies/bayesian/test_cost_aware.py",
    "bomix.strategies.bayesian.trust_region": "strategies/bayesian/test_turbo.py",
    "bomix.strategies.checks": "strategies/test_auto.py",
    "bomix.strategies.design_features": "strategies/test_i_optimal.py",
    "bomix.strategies.regression.next_best": "strategies/regression/test_law.py",
    "bomix.study.arguments": "study/test_calls.py",
    "bomix.study.confirmation": "recommendation/test_confirmation.py",
    "bomix.study.reporting": "study/test_plots.py",
    "bomix.study.running": "study/test_experts.py",
    "bomix.study.shown": "study/test_plots.py",
    "bomix.study.standing": "config/test_budget.py",
    "bomix.study.units": "study/test_resolution.py",
    "bomix.study.watching": "execution/test_callbacks.py",
    "bomix.surrogates.combined.auto": "surrogates/combined/test_stacking.py",
    "bomix.surrogates.combined.calibration": "surrogates/combined/test_corrected.py",
    "bomix.surrogates.combined.prediction": "surrogates/combined/test_corrected.py",
    "bomix.surrogates.cross_validation.folds": "surrogates/regression/test_residuals.py",
    "bomix.surrogates.cross_validation.scores": "surrogates/cross_validation/test_held_out.py",
    "bomix.surrogates.data.standardize": "surrogates/gp/test_spec.py",
    "bomix.surrogates.features.columns": "surrogates/features/test_spec.py",
    "bomix.surrogates.fully_bayesian.gp_draws": "surrogates/fully_bayesian/test_specs.py",
    "bomix.surrogates.fully_bayesian.gp_model": "surrogates/fully_bayesian/test_specs.py",
    "bomix.surrogates.fully_bayesian.nuts": "surrogates/fully_bayesian/test_specs.py",
    "bomix.surrogates.gp.completion": "surrogates/gp/test_multitask.py",
    "bomix.surrogates.gp.coupled": "surrogates/gp/test_multitask.py",
    "bomix.surrogates.gp.exact": "surrogates/gp/test_spec.py",
    "bomix.surrogates.gp.independent": "surrogates/gp/test_multitask.py",
    "bomix.surrogates.gp.inputs": "surrogates/gp/test_spec.py",
    "bomix.surrogates.gp.likelihood": "surrogates/gp/test_hyperparameters.py",
    "bomix.surrogates.gp.search": "surrogates/gp/test_shared_hyperparameters.py",
    "bomix.surrogates.kernels.columns": "surrogates/features/test_spec.py",
    "bomix.surrogates.kernels.composition": "surrogates/kernels/test_stationary.py",
    "bomix.surrogates.kernels.composition_specs": "surrogates/kernels/test_specs.py",
    "bomix.surrogates.kernels.curve_specs": "surrogates/kernels/test_curves.py",
    "bomix.surrogates.kernels.encoding": "surrogates/kernels/test_stationary.py",
    "bomix.surrogates.kernels.learned_encoding": "surrogates/kernels/test_stationary.py",
    "bomix.surrogates.kernels.linear": "surrogates/kernels/test_stationary.py",
    "bomix.surrogates.kernels.logarithmic_specs": "surrogates/kernels/test_logarithmic.py",
    "bomix.surrogates.kernels.nested_specs": "surrogates/kernels/test_nested.py",
    "bomix.surrogates.kernels.nugget_specs": "surrogates/kernels/test_nugget.py",
    "bomix.surrogates.kernels.one_dimensional": "surrogates/kernels/test_stationary.py",
    "bomix.surrogates.kernels.presets": "surrogates/data/test_refit_schedule.py",
    "bomix.surrogates.kernels.simplex_geometry": "surrogates/kernels/test_stationary.py",
    "bomix.surrogates.means.expert_learning": "surrogates/means/test_experts.py",
    "bomix.surrogates.means.sigmoid": "surrogates/means/test_accuracy.py",
    "bomix.surrogates.models.hyperparameter": "cli/test_validate.py",
    "bomix.surrogates.models.joint": "surrogates/laws/test_uncertainty.py",
    "bomix.surrogates.models.sampled": "recommendation/test_validate.py",
    "bomix.surrogates.models.scales": "surrogates/scales/test_model.py",
    "bomix.surrogates.regression.boosting": "surrogates/regression/test_specs.py",
    "bomix.surrogates.regression.forest": "surrogates/regression/test_specs.py",
    "bomix.surrogates.scales.anchored_spec": "surrogates/scales/test_anchored.py",
    "bomix.surrogates.scales.fitting": "surrogates/scales/test_spec.py",
    "bomix.surrogates.scales.freeze_thaw_spec": "surrogates/scales/test_freeze_thaw.py",
    "bomix.surrogates.scales.from_first": "surrogates/scales/test_model.py",
    "bomix.surrogates.scales.law_spec": "surrogates/scales/test_law_model.py",
    "bomix.surrogates.scales.linked": "surrogates/scales/test_model.py",
    "bomix.surrogates.scales.sized": "surrogates/scales/test_law_model.py",
    "bomix.surrogates.scales.thawed": "surrogates/scales/test_freeze_thaw.py",
    "bomix.testing.acquisitions": "conformance/test_acquisitions.py",
    "bomix.testing.evaluators": "conformance/test_evaluators.py",
    "bomix.testing.executors": "execution/test_own_executor.py",
    "bomix.testing.exporters": "conformance/test_exporters.py",
    "bomix.testing.group_evaluators": "conformance/test_evaluators.py",
    "bomix.testing.group_executors": "conformance/test_executors.py",
    "bomix.testing.kernels": "conformance/test_kernels.py",
    "bomix.testing.means": "conformance/test_means.py",
    "bomix.testing.objectives": "conformance/test_objectives.py",
    "bomix.testing.reweighters": "conformance/test_reweighters.py",
    "bomix.testing.sources": "conformance/test_sources.py",
    "bomix.testing.strategies": "conformance/test_strategies.py",
    "bomix.testing.surrogates": "conformance/test_surrogates.py",
    "bomix.testing.tokenizers": "conformance/test_tokenizers.py",
    "bomix.training.data.cores": "training/data/test_encoding.py",
    "bomix.training.data.documents": "training/data/test_writing.py",
    "bomix.training.data.encoding_process": "training/data/test_encoding.py",
    "bomix.training.data.installed": "training/data/test_sources.py",
    "bomix.training.data.ledger": "training/data/test_writing.py",
    "bomix.training.data.packing": "training/data/test_corpus.py",
    "bomix.training.data.spec": "training/data/test_corpus.py",
    "bomix.training.data.table_readers": "training/data/test_readers.py",
    "bomix.training.data.tokenizer": "training/data/test_corpus.py",
    "bomix.training.data.tokens": "training/data/test_corpus.py",
    "bomix.training.device": "training/test_loop.py",
    "bomix.training.monitor": "training/test_loop.py",
    "bomix.training.rank_process": "evaluators/test_devices.py",
    "bomix.training.ranks": "training/test_step.py",
    "bomix.training.reweighting.simplex": "training/reweighting/test_doremi.py",
    "bomix.training.run": "training/test_loop.py",
    "bomix.training.tasks.examples": "training/tasks/test_sources.py",
    "bomix.training.tasks.tokens": "training/tasks/test_sources.py",
}


def mirrored(module: str) -> str:
    """The test file of a module's own name, below ``tests``."""
    _, *packages, name = module.split(".")
    return "/".join([*packages, f"test_{name}.py"])


@functools.cache
def imported(source: str) -> set[str]:
    """The dotted names that a file imports, and those of modules that its strings are."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("bomix."):
            found.add(node.value)
    return found


def mentions(module: str, source: str) -> bool:
    """Whether a file imports a module, or a name of it, or says its dotted name."""
    return any(name == module or name.startswith((f"{module}.", f"{module}:")) for name in imported(source))


def fault_of(module: str, files: dict[str, str], covered: dict[str, str]) -> str | None:
    """What is wrong with the tests of a module, and the line that mends it.

    Args:
        module: Its dotted name.
        files: Test file below ``tests`` to its source.
        covered: The table.
    """
    own, listed = mirrored(module), covered.get(module)
    if own in files:
        return None if listed is None else f"strike '{module}' off COVERED: it has a test file of its own, {own}"
    if listed is None:
        near = [file for file, source in files.items() if mentions(module, source)]
        line = f'add tests/{own}, or to COVERED the line\n    "{module}": "{near[0] if near else "<file>"}",'
        return f"'{module}' has no test file: {line}" + (f"\n  (import it: {', '.join(near)})" if near else "")
    if listed not in files:
        return f"'{module}': COVERED names {listed}, and there is no such file below tests/"
    if not mentions(module, files[listed]):
        return f"'{module}': COVERED names {listed}, which does not import it; name one that does, or add tests/{own}"
    return None


FILES = {
    path.relative_to(TESTS).as_posix(): path.read_text("utf-8")
    for path in sorted(TESTS.rglob("test_*.py"))
    if path != Path(__file__).resolve()
}


@pytest.mark.parametrize("module", MODULES)
def test_every_module_has_a_test_file_or_a_line_in_the_table(module: str) -> None:
    assert (fault := fault_of(module, FILES, COVERED)) is None, fault


def test_the_table_speaks_of_modules_that_are_there_in_their_order() -> None:
    assert [module for module in COVERED if module not in MODULES] == [], "strike them off the table"
    assert [*COVERED] == sorted(COVERED)


@pytest.mark.parametrize(
    ("files", "covered", "said"),
    [
        ({"a/test_b.py": ""}, {}, None),
        ({"a/test_b.py": ""}, {"bomix.a.b": "a/test_c.py"}, "strike 'bomix.a.b' off COVERED"),
        ({}, {}, '"bomix.a.b": "<file>",'),
        ({"a/test_c.py": "from bomix.a.b import c"}, {}, '"bomix.a.b": "a/test_c.py",'),
        ({"a/test_c.py": "from bomix.a.b import c"}, {"bomix.a.b": "a/test_c.py"}, None),
        ({"a/test_c.py": "from bomix.a import b"}, {"bomix.a.b": "a/test_c.py"}, None),
        ({"a/test_c.py": "run('bomix.a.b')"}, {"bomix.a.b": "a/test_c.py"}, None),
        ({"a/test_c.py": "from bomix.a import bc"}, {"bomix.a.b": "a/test_c.py"}, "does not import it"),
        ({}, {"bomix.a.b": "a/test_c.py"}, "no such file"),
    ],
)
def test_the_guard_itself_catches_what_it_should(
    files: dict[str, str], covered: dict[str, str], said: str | None
) -> None:
    found = fault_of("bomix.a.b", files, covered)
    assert found is None if said is None else said in (found or "")
