"""Which columns of tables are weights, losses and keys, where no study says it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bomix.errors import FaultsError
from bomix.io.imports.columns import Reading
from bomix.io.imports.drafting import Draft, draft
from bomix.io.imports.weight_columns import weight_columns
from bomix.io.tables.reading import read_table


def drafted(folder: Path, weights: str, losses: str | None = None, **options: object) -> Draft:
    tables = []
    for name, text in (("w.csv", weights), ("l.csv", losses)):
        if text is not None:
            (folder / name).write_text(text)
            tables.append(read_table(folder / name, []))
    return draft(tables[0], tables[1] if len(tables) > 1 else None, Reading(**options))  # type: ignore[arg-type]


REGMIX = (
    "index,train_the_pile_arxiv,train_the_pile_pile_cc\n1,0.2,0.8\n2,0.503,0.5\n",
    "index,metric/the_pile_arxiv_val_loss,metric/the_pile_pile_cc_val_loss\n1,2,3\n2,2.5,2.5\n",
)
OLMIX = ("run,name,index,dclm,wiki\na,x,0,0.5,0.5\nb,y,1,0,1\n", "run,name,index,dclm,wiki,arc_bpb\na,x,0,1,1,1\n")


def test_published_layouts_are_read_as_they_are(tmp_path: Path) -> None:
    found = drafted(tmp_path, *REGMIX)
    assert dict(found.domains) == {"arxiv": "train_the_pile_arxiv", "pile_cc": "train_the_pile_pile_cc"}
    assert [*found.metrics] == ["arxiv", "pile_cc"]
    assert found.own == {"arxiv": "arxiv", "pile_cc": "pile_cc"}
    assert (found.mapping, found.notes, found.ignores) == ({}, (), False)
    found = drafted(tmp_path, *OLMIX)
    assert [*found.domains] == ["dclm", "wiki"]
    assert {name: each.unit for name, each in found.metrics.items()} == {
        "dclm": "nats/token",
        "wiki": "nats/token",
        "arc_bpb": "bits/byte",
    }


def test_a_metric_is_the_own_one_of_the_domain_that_it_is_named_after(tmp_path: Path) -> None:
    found = drafted(tmp_path, "run,weight_web,weight_code,web_loss,code_loss\na,0.2,0.8,2,3\nb,0.5,0.5,2,2\n")
    assert found.own == {"web": "web", "code": "code"}
    assert found.mapping == {}
    found = drafted(tmp_path, "run,CC-web,code\na,0.2,0.8\n", "run,eval_cc_web_ppl,arc_acc\na,20,0.3\n")
    assert found.own == {"eval_cc_web_ppl": "CC-web"}
    assert [(each.unit, each.direction) for each in found.metrics.values()] == [
        ("perplexity", "min"),
        ("accuracy", "max"),
    ]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("run,lr,web,code,loss\na,1e-3,0.2,0.8,2\nb,1e-3,0.5,0.5,3\n", ["web", "code"]),  # neighbours that sum to one
        ("run,x,mx.web,mx.code,loss\na,0.1,20,80,2\nb,0.2,50,50,3\n", ["web", "code"]),  # names that begin alike
        ("run,a,b,c,d,loss\nx,0.5,0.5,0.2,0.3,2\ny,0.1,0.4,0.5,0.5,3\n", None),
    ],
)
def test_weights_are_the_columns_that_sum_to_a_whole(tmp_path: Path, text: str, names: list[str] | None) -> None:
    if names is None:
        with pytest.raises(FaultsError, match="no columns whose rows sum to 1 or 100; say which are weights, --map"):
            drafted(tmp_path, text)
        return
    found = drafted(tmp_path, text)
    assert [*found.domains] == names
    assert [*found.metrics] == ["loss"]
    assert bool(found.mapping) == ("mx.web" in found.domains.values())


def test_what_a_user_maps_is_what_counts(tmp_path: Path) -> None:
    text = "run,a,b,c,s1,s2\nx,3e6,1e6,7,1,2\ny,1e6,1e6,7,2,3\n"
    mapping = {"a": "weights.web", "b": "weights.code", "s*": "losses.arc*"}
    found = drafted(tmp_path, text, mapping=mapping, unit="parts")
    assert dict(found.domains) == {"web": "a", "code": "b"}
    assert [*found.metrics] == ["arc1", "arc2"]
    assert found.mapping == {"a": "weights.web", "b": "weights.code", "s1": "losses.arc1", "s2": "losses.arc2"}
    assert found.ignores
    assert "left out c;" in found.notes[0]


def test_counts_need_not_sum_to_anything_where_that_is_told(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("run,web,code\na,3,1\nb,5,9\n")
    table = read_table(tmp_path / "t.csv", [])
    assert weight_columns(table, ["web", "code"], {}, "parts", alone=True) == {"web": "web", "code": "code"}
    assert weight_columns(table, ["web", "code"], {}, None, alone=True) == {}


def test_training_losses_standard_errors_and_settings_are_no_metrics(tmp_path: Path) -> None:
    header = "run,lr,train/loss,web,code,val/web_loss,val/web_loss_stderr,seed"
    text = f"{header}\na,1,2,0.2,0.8,2,0.1,1\nb,1,3,0.5,0.5,2,0.1,2\n"
    found = drafted(tmp_path, text)
    assert {name: each.column for name, each in found.metrics.items()} == {"web": "val/web_loss"}
    assert found.notes[0].endswith("left out lr, train/loss; --map COLUMN=losses.NAME makes a metric of one")


def test_several_scales_become_lines_of_the_study_file(tmp_path: Path) -> None:
    text = "run,model,web,code,loss\na,1M,0.2,0.8,3\nb,60M,0.2,0.8,2\n"
    found = drafted(tmp_path, text, scale_from={"params": "model"})
    assert found.scales.splitlines()[0] == "scales:"
    assert found.largest == "60M"
    assert drafted(tmp_path, text.replace("60M", "1M"), scale_from={"params": "model"}).scales == ""


def test_values_below_zero_say_that_the_unit_has_no_bound(tmp_path: Path) -> None:
    found = drafted(tmp_path, "run,web,code,gain_loss\na,0.2,0.8,-1\nb,0.5,0.5,2\n")
    assert [each.signed for each in found.metrics.values()] == [True]


def test_a_word_for_a_loss_says_more_than_one_for_a_score_and_names_of_domains_say_nothing(tmp_path: Path) -> None:
    columns = ["loss_f", "code_score_4_loss", "hellaswag_acc_err", "squad_f1", "web_winrate", "em_ppl"]
    text = f"run,em,code_score_4,{','.join(columns)}\na,0.2,0.8,2,2,0.3,0.5,3,9\nb,0.5,0.5,3,3,0.4,0.6,2,8\n"
    found = drafted(tmp_path, text.replace("web_winrate", "web_winrate_loss", 1))
    assert found.metrics["web_winrate"].direction == "min"
    lines = [line.split(",") for line in text.splitlines()]
    weights = "\n".join(",".join(cells[:3]) for cells in lines)
    losses = "\n".join(",".join([cells[0], *cells[3:]]) for cells in lines)
    found = drafted(tmp_path, weights, losses.replace("web_winrate", "code_score_4"))
    said = {each.column: (each.unit, each.direction) for each in found.metrics.values()}
    assert said == {
        "loss_f": ("nats/token", "min"),
        "code_score_4_loss": ("nats/token", "min"),
        "hellaswag_acc_err": ("score", "min"),
        "squad_f1": ("score", "max"),
        "code_score_4": ("nats/token", "min"),
        "em_ppl": ("perplexity", "min"),
    }
    assert "taken for better when higher: squad_f1;" in found.notes[-2]
    assert "taken for a loss, as no word in the name says what it is: code_score_4;" in found.notes[-1]


def test_what_says_nothing_but_the_split_or_the_table_names_no_metric_and_no_domain(tmp_path: Path) -> None:
    text = "run,web,code,summary.loss,summary.val_loss\na,0.2,0.8,2,3\nb,0.5,0.5,3,2\n"
    assert [*drafted(tmp_path, text).metrics] == ["loss", "val_loss"]
    assert drafted(tmp_path, text.replace("code", "test")).own == {}


def test_columns_that_never_change_are_no_weights(tmp_path: Path) -> None:
    losses = "run,loss\na,2\nb,3\n"
    found = drafted(tmp_path, "run,web,code,gpus\na,0.2,0.8,8\nb,0.5,0.5,8\n", losses)
    assert [*found.domains] == ["web", "code"]
    assert [*drafted(tmp_path, "run,web,code,gpus\na,2,8,8\nb,5,5,8\n", losses).domains] == ["web", "code"]
    assert [*drafted(tmp_path, "run,a,b,c\na,0.1,0.8,0.1\nb,0.1,0.5,0.4\n", losses).domains] == ["a", "b", "c"]


@pytest.mark.parametrize("mapping", [{}, {"web": "weights.web", "code": "weights.code", "loss": "losses.loss"}])
def test_decimal_commas_and_percent_are_read_or_named(tmp_path: Path, mapping: dict[str, str]) -> None:
    for text in ("run;web;code;loss\na;0,2;0,8;2\nb;0,5;0,5;3\n", "run;web;code;loss\na;0.2;0.8;2,5\nb;0.5;0.5;3\n"):
        with pytest.raises(FaultsError) as caught:
            drafted(tmp_path, text, mapping=mapping)
        (fault,) = caught.value.faults
        assert "--decimal-comma reads it as" in fault.what
    found = drafted(tmp_path, "run,web,code,mmlu_acc\na,20%,80%,31%\nb,50%,50%,35%\n")
    assert [each.unit for each in found.metrics.values()] == ["accuracy"]
