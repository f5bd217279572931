"""The command that brings rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol

from mlbox.base.command import Caller, Handler, Plan, Result, Step
from mlbox.base.counted import counted
from mlbox.base.errors import Conflict, NotFound
from mlbox.base.names import Ref
from mlbox.base.suggest import did_you_mean
from mlbox.engine.features.commands import PushRows
from mlbox.engine.features.definition import FeatureSet
from mlbox.engine.features.directory import Directory
from mlbox.engine.features.reading import SourceReader
from mlbox.engine.features.sources.base import Source
from mlbox.engine.features.streaming.pushes import Push, Pushes

if TYPE_CHECKING:
    import pyarrow


class Taker(Protocol):
    """Who takes rows that are pushed to a source, besides feature sets."""

    @property
    def project(self) -> str:
        """Its project."""

    @property
    def name(self) -> str:
        """Its name."""


class SourceListener(Protocol):
    """Who reads sources besides feature sets."""

    def readers(self, source_id: str) -> Sequence[str]:
        """Names of what reads a source."""
        ...

    def takers(self, source: Source) -> Sequence[Any]:
        """Those (:class:`Taker`) that rows pushed to the source go to."""
        ...

    def take(self, taker: Any, rows: pyarrow.Table, key: str | None) -> bool:
        """Rows for one of these, durable when it returns; whether they were there already under their key."""
        ...


class Pushing:
    """PUSH: to a feature set, or to all that read a source of type http."""

    def __init__(
        self,
        directory: Directory,
        reader: SourceReader,
        pushes: Pushes,
        source: Callable[[Ref], Source | None],
        listeners: Sequence[SourceListener] = (),
    ) -> None:
        self._listeners = listeners
        self._directory = directory
        self._reader = reader
        self._pushes = pushes
        self._source = source

    def handlers(self) -> Iterable[Handler]:
        """The command it answers."""
        return (Handler(PushRows, self.plan, self.push),)

    def plan(self, command: PushRows, caller: Caller) -> Plan:
        """Who takes the rows."""
        source = self._source(command.ref)
        one = self._directory.find_set(command.ref)
        takers: list[tuple[SourceListener, Taker]] = []
        if one is not None:
            targets = [one]
        elif source is None:
            known = [found.name for found in self._directory.sets_of(command.ref.project) if found.fed]
            raise NotFound(
                f"there is no feature set and no source {command.ref} to push to",
                hint=did_you_mean(command.ref.name, known, kind="feature set"),
            )
        else:
            takers = [(each, taker) for each in self._listeners for taker in each.takers(source)]
            targets = self._readers(source, elsewhere=bool(takers))
        for target in targets:
            self._check(target)
        steps = tuple(Step("write", str(target.ref), counted(len(command.rows), "row")) for target in targets)
        also = tuple(
            Step("write", f"feed {taker.project}.{taker.name}", counted(len(command.rows), "row"))
            for _, taker in takers
        )
        return Plan(
            (*steps, *also), {"targets": targets, "takers": takers, "source": str(source.ref) if source else None}
        )

    def _readers(self, source: Source, *, elsewhere: bool) -> list[FeatureSet]:
        if source.suspended:
            raise Conflict(f"source {source.ref} is suspended", hint=f"ALTER SOURCE {source.ref} RESUME")
        found = [one for one in self._directory.sets() if one.source == source.id]
        if not found and not elsewhere:
            raise Conflict(
                f"nothing reads source {source.ref}, so rows would be lost",
                hint=f"CREATE FEATURE SET … FROM {source.name}, or CREATE FEED … FROM SOURCE {source.name}",
            )
        return found

    def _check(self, target: FeatureSet) -> None:
        if not target.fed:
            raise Conflict(
                f"feature set {target.name} takes its rows from a query or from files",
                hint="push to a set that is created without AS and FROM, or FROM a source of type http",
            )
        if self._reader.pulls(target):
            raise Conflict(
                f"feature set {target.name} reads a stream", hint="send the rows there, so that their order is one"
            )

    def push(self, command: PushRows, plan: Plan, caller: Caller) -> Result:
        """Durable in every set when it returns; after an error some may have the rows, which a key makes harmless."""
        targets: list[FeatureSet] = plan.resolved["targets"]
        source = plan.resolved["source"] if targets and targets[0].source else None

        def write(target: FeatureSet) -> Push:
            return self._pushes.push(target, Push(command.rows, command.key, source))

        known = [each.take(taker, command.rows, command.key) for each, taker in plan.resolved["takers"]]
        if len(targets) <= 1:
            done = [write(target) for target in targets]
        else:
            with ThreadPoolExecutor(len(targets)) as pool:
                done = list(pool.map(write, targets))
        refused = [
            {"feature_set": target.name, "row": place, "reason": reason}
            for target, one in zip(targets, done, strict=True)
            if one.taken is not None
            for place, reason in sorted(one.taken.refused.items())
        ]
        repeated = all(one.repeated for one in done) and all(known)
        facts = {"rows": 0 if repeated else len(command.rows), "refused": refused, "repeated": repeated}
        told = f"took {counted(len(command.rows) if not repeated else 0, 'row')}"
        told += f", of which {len(refused):,} {'was' if len(refused) == 1 else 'were'} refused" if refused else ""
        return Result(told, facts=facts)
