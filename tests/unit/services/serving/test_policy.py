import pytest

from shared.domain.feedback import ROUTING_DECISIONS, RoutingDecision
from shared.domain.learning.config import LearningConfig
from shared.domain.times import plus
from shared.errors import InvalidInput
from shared.messages.serving_reading import MetricsParams, PolicyParams
from shared.services.deps import Options
from shared.services.serving import recent as module
from shared.services.serving.policy import metrics, policy
from tests.support.serving import LARGE, MEDIUM, SMALL, make_current, point_at, snapshot
from tests.support.system import WORKSPACE, caller, play

WHO = caller("key:a", scopes=("serve",))


async def log(system, *decisions, workspace=WORKSPACE, prefix="req_"):
    """Stores decisions; `ago_s` says how many seconds old one is."""
    now = system.clock.now_text()

    async def write(tx):
        for at, given in enumerate(decisions):
            fields = {
                "pattern": "code",
                "complexity": 0.5,
                "provider": "local",
                "model": "small",
                "confidence": 0.5,
                "explored": False,
                "propensity": 1.0,
                "snapshot_id": None,
                "reason": "a test",
                **given,
            }
            ago_s = fields.pop("ago_s", 0)
            record = RoutingDecision(id=f"{prefix}{at:05d}", decided_at=plus(now, -ago_s), **fields)
            tx.create(ROUTING_DECISIONS, record)

    await system.store.transact(workspace, write)


async def ask(system, window="24h", who=WHO):
    return await metrics(system.deps, who, MetricsParams(window=window))


def test_the_default_policy_shows_the_catalogue_and_the_default(tmp_path):
    async def scenario(system):
        shown = await policy(system.deps, WHO)
        assert (shown.snapshot_id, shown.since, shown.as_of, shown.rows) == (None, None, None, [])
        assert shown.default_model == MEDIUM
        assert shown.exploration_rate == 0.2
        assert [(one.model, one.usd_per_m_input) for one in shown.models] == [
            ("small", 0.1),
            ("medium", 1.0),
            ("large", 5.0),
        ]

    learning = LearningConfig(exploration_rate=0.2, default_model=MEDIUM)
    play(tmp_path, scenario, options=Options(learning=learning))


def test_the_current_table_is_shown_with_its_reasons(tmp_path):
    async def scenario(system):
        name = await make_current(system, snapshot({"code": [MEDIUM, SMALL]}, default=LARGE))
        since = system.clock.now_text()
        shown = await policy(system.deps, WHO)
        assert (shown.snapshot_id, shown.since, shown.as_of) == (name, since, "2026-01-01")
        [row] = shown.rows
        assert (row.pattern, row.choice) == ("code", MEDIUM)
        assert row.why == "local/medium is best for code."
        assert row.ranking[0].why.startswith("Chosen: local/medium was right 9")
        assert [one.model for one in row.ranking] == ["medium", "small"]
        assert shown.model_dump(mode="json")["default_model"] == {
            "provider": "other",
            "model": "large",
        }

    play(tmp_path, scenario)


def test_a_long_table_comes_in_pages_of_explained_rows(tmp_path):
    names = [f"pattern_{at:05d}" for at in range(10_000)]

    async def scenario(system):
        await make_current(system, snapshot({name: [MEDIUM] for name in names}))
        first = await policy(system.deps, WHO, PolicyParams(limit=400))
        assert (len(first.rows), first.rows_total) == (400, 10_000)
        assert first.next_cursor == names[399]
        assert all(row.why == f"local/medium is best for {row.pattern}." for row in first.rows)
        behind = await policy(system.deps, WHO, PolicyParams(limit=1, cursor=first.next_cursor))
        assert [row.pattern for row in behind.rows] == [names[400]]
        last = await policy(system.deps, WHO, PolicyParams(limit=2, cursor=names[-3]))
        assert ([row.pattern for row in last.rows], last.next_cursor) == (names[-2:], None)
        one = await policy(system.deps, WHO, PolicyParams(pattern=names[7]))
        assert ([row.pattern for row in one.rows], one.rows_total) == ([names[7]], 1)
        with pytest.raises(InvalidInput):
            await policy(system.deps, WHO, PolicyParams(cursor="nothing"))

    play(tmp_path, scenario)


def test_a_snapshot_that_cannot_be_read_is_shown_as_such(tmp_path):
    async def scenario(system):
        await point_at(system, "snap_nowhere")
        shown = await policy(system.deps, WHO)
        assert (shown.snapshot_id, shown.unreadable_snapshot_id) == (None, "snap_nowhere")

    play(tmp_path, scenario)


def test_without_decisions_shares_are_unknown(tmp_path):
    async def scenario(system):
        figures = await ask(system)
        assert (figures.decisions, figures.truncated, figures.oldest) == (0, False, None)
        assert (figures.explored_share, figures.savings_share) == (None, None)
        assert (figures.by_model, figures.by_pattern) == ([], [])

    play(tmp_path, scenario)


def test_figures_count_what_was_decided_paid_and_saved(tmp_path):
    async def scenario(system):
        done = {"latency_ms": 100, "cost_usd": 0.5, "estimated_cost_usd": 9.0}
        await log(
            system,
            {**done, "baseline_cost_usd": 2.0},
            {**done, "baseline_cost_usd": 1.0, "latency_ms": 300, "attempts": 2},
            {"estimated_cost_usd": 0.25, "baseline_cost_usd": 1.0, "explored": True},
            {"model": "own", "pattern": "math", "explored": True},
            {"failed": True, "attempts": 3, "estimated_cost_usd": 7.0, "baseline_cost_usd": 1.0},
        )
        figures = await ask(system)
        assert (figures.decisions, figures.completed, figures.failed) == (5, 2, 1)
        assert (figures.explored, figures.explored_share, figures.fallbacks) == (2, 0.4, 1)
        assert (figures.priced, figures.cost_usd, figures.baseline_cost_usd) == (3, 1.25, 4.0)
        assert (figures.savings_usd, figures.savings_share) == (2.75, 0.6875)
        assert figures.mean_latency_ms == 200.0
        models = {one.model: (one.decisions, one.savings_usd) for one in figures.by_model}
        assert models == {"small": (4, 2.75), "own": (1, 0.0)}
        assert [(one.pattern, one.decisions) for one in figures.by_pattern] == [
            ("code", 4),
            ("math", 1),
        ]
        assert (figures.window, figures.truncated) == ("24h", False)

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("window", "counted"), [("1m", 1), ("59m", 1), ("61m", 2), ("1h", 2), ("2d", 3), ("999d", 4)]
)
def test_only_the_window_is_counted(tmp_path, window, counted):
    async def scenario(system):
        await log(system, *({"ago_s": ago_s} for ago_s in (30, 3600, 86_400, 40 * 86_400)))
        figures = await ask(system, window)
        assert figures.decisions == counted
        assert not figures.truncated

    play(tmp_path, scenario)


@pytest.mark.parametrize(("stored", "truncated"), [(10, False), (11, True), (25, True)])
def test_more_decisions_than_are_read_are_said_to_be_cut_off(
    tmp_path, monkeypatch, stored, truncated
):
    monkeypatch.setattr(module, "MAX_DECISIONS", 10)
    monkeypatch.setattr(module, "_PAGE", 4)

    async def scenario(system):
        await log(system, *({"ago_s": at} for at in range(stored)))
        figures = await ask(system)
        assert (figures.decisions, figures.truncated) == (10, truncated)
        assert figures.oldest == plus(system.clock.now_text(), -9), "the newest are counted"

    play(tmp_path, scenario)


def test_decisions_of_another_workspace_are_not_counted(tmp_path):
    async def scenario(system):
        await log(system, {}, {})
        await log(system, {}, workspace="other", prefix="req_other")
        theirs = caller("key:b", scopes=("serve",), workspace="other")
        assert (await ask(system, who=theirs)).decisions == 1
        assert (await ask(system)).decisions == 2

    play(tmp_path, scenario)
