"""Where what a training, or a score, reads lies: folders of artifacts, sample by sample."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol


class Reader(Protocol):
    """What a data set asks of a network: `inputs`, `target` and `learned` (`trifold.architectures`), entries of a batch
    in all."""

    inputs: frozenset[str]
    target: str
    learned: ClassVar[bool]

    @property
    def entries(self) -> set[str]: ...


@dataclass(frozen=True)
class Given:
    """Folders of the samples that a job reads, in one order throughout.

    samples     their names
    examples    dataset directories (`data.examples`), of tasks on whole maps
    maps        deep maps (map.cool), of tasks that draw reads from them
    pairs       windows about pairs (`data.promoters`) and bands (`data.bands`) they are cut from, of tasks on those
    tracks      of every sample, the tracks in the order of the arm
    sequence    of the genome; None where it is not read
    embeddings  of the genome (`data.embeddings`); None where they are not read
    """

    samples: tuple[str, ...]
    examples: tuple[Path, ...] = ()
    pairs: tuple[Path, ...] = ()
    bands: tuple[Path, ...] = ()
    tracks: tuple[tuple[Path, ...], ...] = ()
    sequence: Path | None = None
    embeddings: Path | None = None
    maps: tuple[Path, ...] = ()

    @classmethod
    def of_files(
        cls,
        samples: Sequence[str],
        *,
        examples: Sequence[str] = (),
        pairs: Sequence[str] = (),
        bands: Sequence[str] = (),
        tracks: Sequence[str] = (),
        sequence: Sequence[str] = (),
        embeddings: Sequence[str] = (),
        maps: Sequence[str] = (),
    ) -> "Given":
        """From a file of every folder; of tracks, each sample's one after the other."""

        def folders(files: Sequence[str]) -> tuple[Path, ...]:
            return tuple(Path(path).parent for path in files)

        number = len(tracks) // len(samples)
        by_sample = [folders(tracks[i * number : (i + 1) * number]) for i in range(len(samples))] if number else []
        return cls(
            tuple(samples),
            folders(examples),
            folders(pairs),
            folders(bands),
            tuple(by_sample),
            Path(sequence[0]).parent if sequence else None,
            Path(embeddings[0]).parent if embeddings else None,
            tuple(map(Path, maps)),
        )

    def as_settings(self) -> dict:
        """As JSON holds it, for a process of its own."""
        of_samples = {
            name: list(map(str, getattr(self, name))) for name in ("samples", "examples", "maps", "pairs", "bands")
        }
        tracks = [[str(path) for path in paths] for paths in self.tracks]
        of_genome = {name: str(path) if (path := getattr(self, name)) else None for name in ("sequence", "embeddings")}
        return {**of_samples, "tracks": tracks, **of_genome}

    @classmethod
    def of_settings(cls, settings: dict) -> "Given":
        """The opposite of `as_settings`."""
        folders = {name: tuple(map(Path, settings[name])) for name in ("examples", "maps", "pairs", "bands")}
        tracks = tuple(tuple(map(Path, paths)) for paths in settings["tracks"])
        sequence, embeddings = (Path(path) if (path := settings[name]) else None for name in ("sequence", "embeddings"))
        return cls(tuple(settings["samples"]), **folders, tracks=tracks, sequence=sequence, embeddings=embeddings)
