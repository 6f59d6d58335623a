"""Language models of DNA, run once over a genome: sequence -> windows -> tokens -> hidden states -> a mean per bin.

Models that cannot be trained at a megabase on what users have (Kriukov et al. 2021, IV.2: DNABERT; Lau 2025: Enformer)
are run as they are, and what they say of a bin is kept (`embeddings` reads it). Neither paper says how states became
features of bins; all of this is our own:

- Windows of `window_bp` overlap by `overlap_bp`, and every base is taken from the window in which it is farther from
  an end: a window gives up half of the overlap on either side, save at the ends of a chromosome. Windows never cross
  chromosomes.
- A token stands for bases: one of an overlapping k-mer model for the base in its middle, one of other vocabularies for
  all its bases, a state of Enformer for the 128 bp it is made of. The vector of a bin is the mean over its bases of the
  states of their tokens; bases without a token (the ends of a window of k-mers) are left out.
- Tokens that touch an N count nowhere, and a bin that holds an N has no vector at all: zeros, not valid, as for arms
  that read the sequence. Windows without a base that counts are not run. A folder's own tokenizer is given one N for a
  run of them.
- `strands: both` is the mean with the reverse complement's: then a window read from the other strand has the same
  vectors in reverse order, as augmentation takes for granted.

The work is done a stretch at a time and a killed run goes on with the stretch it was at (`prepare`). Nothing is
downloaded. `transformers` and `enformer-pytorch` are loaded here alone, where they are asked for.
"""

import inspect
import json
import logging
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor

from trifold.data.sequence import SequenceStore, n_per_bin
from trifold.errors import InputError
from trifold.genome import N_CODE, decode, n_bins, reverse_complement
from trifold.io import vocabulary

logger = logging.getLogger(__name__)

STRETCH_BP = 1 << 18  # what is made between two notes of how far the work is
LOG_EVERY_S = 30.0
PROGRESS = "progress.json"
MOST_ROUNDING = 0.1  # of the standard deviation over bins, that storing may cost without a word
REMEDY = "make embed (docs/embeddings.md)"
# Where `make embed` puts transformers, apart from the other packages: a library that Lightning imports loads it where
# it is found, and every training would start eight seconds later.
LIBRARIES = Path(sys.prefix) / "embed"
if LIBRARIES.is_dir() and str(LIBRARIES) not in sys.path:
    sys.path.append(str(LIBRARIES))


@dataclass(frozen=True)
class Settings:
    """How vectors are made: an entry of `embeddings` of the configuration, without what its computation takes."""

    model: str  # folder
    tokenizer: str  # kmers, characters, folder
    window_bp: int
    overlap_bp: int
    layer: int = -1  # of the hidden states; 0: before the first block, -1: after the last
    strands: str = "forward"  # forward, both
    precision: str = "float32"  # of the network: float32, bfloat16
    stored: str = "float16"  # float16, float32
    own_code: bool = False  # whether Python code that lies in the model's folder is run


# ---------------------------------------------------------------- tokens


@dataclass(frozen=True)
class Tokens:
    """A window as a model reads it.

    ids             (n,) int64, those around the sequence ([CLS], [SEP]) among them
    first           number of the first id that is of the sequence
    reads, stands   (states, 2) first and last + 1 of the bases of the window that a state reads, and stands for
    """

    ids: np.ndarray
    first: int
    reads: np.ndarray
    stands: np.ndarray


Tokenise = Callable[[np.ndarray], Tokens]


def _spans(starts: np.ndarray, length: int) -> np.ndarray:
    return np.stack([starts, starts + length], axis=1)


def kmers(folder: str | os.PathLike) -> Tokenise:
    """Overlapping k-mers, one a base, of the vocab.txt of a folder (DNABERT): codes (L,) -> L - k + 1 tokens.

    A k-mer with an N is [UNK]. Raises InputError for a vocabulary of anything else.
    """
    words = vocabulary.read_vocabulary(folder)
    k = vocabulary.kmer_length(words, folder)
    ids_of = np.array([words[kmer] for kmer in vocabulary.kmers_in_order(k)])
    digits = 4 ** np.arange(k - 1, -1, -1)

    def tokenise(codes: np.ndarray) -> Tokens:
        if len(codes) < k:
            return Tokens(np.array([words["[CLS]"], words["[SEP]"]]), 1, np.zeros((0, 2), int), np.zeros((0, 2), int))
        windows = sliding_window_view(codes, k)  # (L - k + 1, k)
        known = (windows != N_CODE).all(axis=1)
        numbers = np.where(known, windows.astype(np.int64) @ digits, 0)
        ids = np.where(known, ids_of[numbers], words["[UNK]"])
        starts = np.arange(len(ids))
        ids = np.concatenate([[words["[CLS]"]], ids, [words["[SEP]"]]])
        return Tokens(ids, 1, _spans(starts, k), _spans(starts + (k - 1) // 2, 1))

    return tokenise


def characters(tokenizer: Any, folder: str | os.PathLike) -> Tokenise:
    """A token a base, by the numbers that the folder's tokenizer gives the letters.

    Raises InputError for a tokenizer that does not tell A, C, G and T apart.
    """
    ids_of = np.array(tokenizer.convert_tokens_to_ids(list("ACGTN")))
    if len({*ids_of[:4]} - {tokenizer.unk_token_id}) < 4:
        raise InputError(
            f"{folder}: its tokenizer has no numbers of their own for A, C, G and T: no model of single bases; set "
            "`tokenizer` to folder or kmers"
        )
    around = list(tokenizer("A")["input_ids"])
    if around.count(ids_of[0]) != 1:
        raise InputError(
            f"{folder}: its tokenizer makes {len(around)} tokens of A, none of which is its letter A: no model of "
            "single bases; set `tokenizer` to folder or kmers"
        )
    first = around.index(ids_of[0])

    def tokenise(codes: np.ndarray) -> Tokens:
        ids = np.concatenate([around[:first], ids_of[codes], around[first + 1 :]]).astype(np.int64)
        spans = _spans(np.arange(len(codes)), 1)
        return Tokens(ids, first, spans, spans)

    return tokenise


def of_folder(tokenizer: Any, folder: str | os.PathLike) -> Tokenise:
    """The tokens that the folder's own tokenizer makes of the letters (BPE of DNABERT-2, 6-mers side by side, ...).

    Raises InputError where its tokens are not the sequence cut into pieces.
    """
    other = "set `tokenizer` to kmers or characters, or give another model"

    def tokenise(codes: np.ndarray) -> Tokens:
        # A run of N is read as one: of every N a token, the ends of a gap would be more than a model takes.
        kept = np.flatnonzero((codes != N_CODE) | np.append(True, codes[:-1] != N_CODE))
        text = decode(codes[kept])
        if tokenizer.is_fast:
            encoded = tokenizer(text, return_offsets_mapping=True)
            ids, spans = np.array(encoded["input_ids"]), np.array(encoded["offset_mapping"])
        else:
            pieces = tokenizer.tokenize(text)
            if "".join(pieces) != text:
                raise InputError(f"{folder}: the tokens of its tokenizer are not the letters of the sequence; {other}")
            number = tokenizer.convert_tokens_to_ids(pieces)
            ids = np.array(tokenizer.build_inputs_with_special_tokens(number))
            before = next(i for i in range(len(ids)) if ids[i : i + len(number)].tolist() == number)
            lengths = np.array([len(piece) for piece in pieces])
            spans = np.zeros((len(ids), 2), dtype=int)
            spans[before : before + len(number)] = np.stack([np.cumsum(lengths) - lengths, np.cumsum(lengths)], axis=1)
        of_text = np.flatnonzero(spans[:, 1] > spans[:, 0])  # the others stand around it
        if len(of_text) and (np.diff(of_text) != 1).any():
            raise InputError(f"{folder}: its tokenizer puts tokens of its own into the sequence; {other}")
        stands = np.append(kept, len(codes))[spans[of_text]]
        covered = int((stands[:, 1] - stands[:, 0]).sum())
        if covered != len(codes):
            raise InputError(
                f"{folder}: the tokens of its tokenizer cover {covered:,} of {len(codes):,} letters: it is not made "
                f"for DNA in capital letters; {other}"
            )
        return Tokens(ids, int(of_text[0]) if len(of_text) else 0, stands, stands)

    return tokenise


# ---------------------------------------------------------------- models


class LanguageModel:
    """What `prepare` asks of a model: `channels`; `tokenise`, codes of a window -> `Tokens`; `states`.

    states(windows): hidden states (states, channels) float32 of every window, on the device.
    """

    channels: int
    device: torch.device = torch.device("cpu")
    bf16: bool = False

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Without gradients and, for bfloat16, with weights and positions left as they are: only products are short."""
        with torch.inference_mode(), torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16):
            yield

    def tokenise(self, codes: np.ndarray) -> Tokens:
        raise NotImplementedError

    def states(self, windows: Sequence[Tokens]) -> list[Tensor]:
        raise NotImplementedError


class OfTransformers(LanguageModel):
    """A model of the library transformers, from the folder that `save_pretrained` wrote or a download of one."""

    def __init__(self, settings: Settings, device: torch.device):
        try:
            from transformers import AutoModel, AutoTokenizer  # pyright: ignore[reportMissingImports] - only here
        except ImportError as error:
            raise InputError(f"the library transformers is missing where embeddings are made; {REMEDY}") from error
        folder, known = settings.model, {"local_files_only": True, "trust_remote_code": settings.own_code}
        try:
            self._network = AutoModel.from_pretrained(folder, **known)
            tokenizer = None if settings.tokenizer == "kmers" else AutoTokenizer.from_pretrained(folder, **known)
        except (OSError, ValueError, KeyError, ImportError) as error:
            said = " ".join(str(error).split())[:300]
            own = "" if settings.own_code else "; where its folder holds code of its own, set own_code: true"
            raise InputError(f"{folder}: transformers cannot load the model ({said}){own}") from error
        self.device, self._layer, self._folder = device, settings.layer, folder
        self._network, self.bf16 = self._network.to(device).eval(), settings.precision == "bfloat16"
        if tokenizer is None:
            self._tokenise, self._padding = kmers(folder), vocabulary.read_vocabulary(folder)["[PAD]"]
        else:
            kind = {"characters": characters, "folder": of_folder}[settings.tokenizer]
            self._tokenise, self._padding = kind(tokenizer, folder), tokenizer.pad_token_id or 0
        self._most = getattr(self._network.config, "max_position_embeddings", None)
        self._masks = "attention_mask" in inspect.signature(self._network.forward).parameters
        self.channels = self._of_layer([torch.tensor([self._padding])])[0].shape[-1]

    def tokenise(self, codes: np.ndarray) -> Tokens:
        tokens = self._tokenise(codes)
        if self._most and len(tokens.ids) > self._most:
            raise InputError(
                f"{self._folder}: a window of {len(codes):,} bp has {len(tokens.ids):,} tokens, and the model takes "
                f"{self._most:,}; lower window_bp"
            )
        return tokens

    def _of_layer(self, ids: Sequence[Tensor]) -> list[Tensor]:
        """Hidden states of one layer, (tokens, channels) of every sequence of numbers."""
        lengths = [len(one) for one in ids]
        padded = torch.nn.utils.rnn.pad_sequence(list(ids), batch_first=True, padding_value=self._padding)
        if len({*lengths}) > 1 and not self._masks:  # nothing would tell it what is padding
            return [self._of_layer([one])[0] for one in ids]
        given = {"input_ids": padded.to(self.device)}
        if self._masks:
            within = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
            given["attention_mask"] = within.long().to(self.device)
        with self.computing():
            if self._layer == -1:  # which models with code of their own give too
                found = self._network(**given)[0]
            else:
                found = self._network(**given, output_hidden_states=True).hidden_states[self._layer]
        return [states[:length].float() for states, length in zip(found, lengths)]

    def states(self, windows: Sequence[Tokens]) -> list[Tensor]:
        found = self._of_layer([torch.from_numpy(window.ids) for window in windows])
        return [states[one.first : one.first + len(one.stands)] for states, one in zip(found, windows)]


class OfEnformer(LanguageModel):
    """Enformer (Avsec et al. 2021) as enformer-pytorch has it; states after a block of its transformer, a state per
    128 bp (2 to the number of its halvings), before the published model crops them: 1536 wide in the released one."""

    def __init__(self, settings: Settings, device: torch.device):
        try:
            # Its module of data sets, which nothing here uses, asks for this library.
            if "polars" not in sys.modules and find_spec("polars") is None:
                sys.modules["polars"] = ModuleType("polars")
            from enformer_pytorch import Enformer  # pyright: ignore[reportMissingImports] - only here
        except ImportError as error:
            raise InputError(
                f"{settings.model}: a model of enformer-pytorch, and the library is missing where embeddings are made; "
                f"{REMEDY}"
            ) from error
        try:
            network = Enformer.from_pretrained(settings.model, local_files_only=True)
        except (OSError, ValueError, KeyError) as error:
            said = " ".join(str(error).split())[:300]
            raise InputError(f"{settings.model}: enformer-pytorch cannot load the model ({said})") from error
        self.device = device
        self._network, self.bf16 = network.to(device).eval(), settings.precision == "bfloat16"
        self.state_bp = 2**network.config.num_downsamples
        if settings.window_bp % self.state_bp:
            raise InputError(
                f"config: embeddings: {settings.model}: window_bp {settings.window_bp} is no multiple of the "
                f"{self.state_bp} bp of a state of this model; change it"
            )
        self.channels, self._window_bp = network.config.dim, settings.window_bp
        blocks = len(network.transformer)
        self._blocks = settings.layer if settings.layer >= 0 else blocks + 1 + settings.layer

    def tokenise(self, codes: np.ndarray) -> Tokens:
        """The window, filled up with N at the end of a chromosome; its bases are numbers as Enformer has them."""
        ids = np.full(self._window_bp, N_CODE, dtype=np.int64)
        ids[: len(codes)] = codes
        stands = np.minimum(_spans(np.arange(0, self._window_bp, self.state_bp), self.state_bp), len(codes))
        return Tokens(ids, 0, stands, stands)

    def states(self, windows: Sequence[Tokens]) -> list[Tensor]:
        ids = torch.from_numpy(np.stack([window.ids for window in windows])).to(self.device)
        known = torch.arange(4, device=self.device)
        with self.computing():
            x = (ids[:, None] == known[:, None]).float()  # (B, 4, L), an N is four zeros
            x = self._network.conv_tower(self._network.stem(x)).mT  # (B, L / state_bp, dim)
            for block in self._network.transformer[: self._blocks]:
                x = block(x)
        return list(x.float())


def load(settings: Settings, device: torch.device, threads: int = 1) -> LanguageModel:
    """The model of a folder, on so many CPU threads.

    Raises InputError where a library is missing or the folder does not hold what the settings say.
    """
    torch.set_num_threads(threads)
    kind = vocabulary.read_model_config(settings.model).get("model_type")
    return OfEnformer(settings, device) if kind == vocabulary.ENFORMER else OfTransformers(settings, device)


# ---------------------------------------------------------------- means of bins


@dataclass(frozen=True)
class _Stretch:
    """Whole bins of a chromosome that are made at once."""

    chrom: str
    start_bp: int
    end_bp: int
    first_bin: int  # in the file


def stretches(chromsizes: dict[str, int], settings: Settings, bin_bp: int) -> list[_Stretch]:
    """The genome in stretches of whole windows and whole bins, about `STRETCH_BP` long."""
    unit_bp = max(settings.window_bp - settings.overlap_bp, bin_bp)
    step_bp = max(STRETCH_BP // unit_bp, 1) * unit_bp
    found, first_bin = [], 0
    for chrom, length_bp in chromsizes.items():
        found += [
            _Stretch(chrom, start, min(start + step_bp, length_bp), first_bin + start // bin_bp)
            for start in range(0, length_bp, step_bp)
        ]
        first_bin += n_bins(length_bp, bin_bp)
    return found


@dataclass(frozen=True)
class _Window:
    """A window, the bases that are taken from it, and how much its states count for bins.

    weights  (bins, states) bases of a bin that a state stands for
    first    the first of these bins, in the stretch
    """

    tokens: Tokens
    weights: np.ndarray
    first: int


def _weights(stands: np.ndarray, counts: np.ndarray, core: tuple[int, int], bin_bp: int) -> tuple[np.ndarray, int]:
    """(bins, states): bases of `core` that each state stands for, by bin; and the first bin. All in the same bp."""
    first, last = core[0] // bin_bp, -(-core[1] // bin_bp)
    edges = np.clip(np.arange(first, last + 1) * bin_bp, *core)  # (bins + 1,)
    starts = np.maximum(stands[:, 0], edges[:-1, None])
    ends = np.minimum(stands[:, 1], edges[1:, None])
    return np.where(counts, np.maximum(ends - starts, 0), 0).astype(np.float32), first


def _windows(
    sequence: SequenceStore, part: _Stretch, model: LanguageModel, settings: Settings, bin_bp: int
) -> Iterator[_Window]:
    """The windows of a stretch that say something of it, the reverse strand's too where both are read."""
    step_bp, margin_bp = settings.window_bp - settings.overlap_bp, settings.overlap_bp // 2
    length_bp, first_bin = sequence.chromsizes[part.chrom], part.start_bp // bin_bp
    for start_bp in range(part.start_bp, part.end_bp, step_bp):
        core = start_bp, min(start_bp + step_bp, part.end_bp)
        window_start = max(core[0] - margin_bp, 0)
        codes = sequence.window(part.chrom, window_start, min(core[1] + margin_bp, length_bp))
        if (codes[core[0] - window_start : core[1] - window_start] == N_CODE).all():
            continue
        for turned in (False, True) if settings.strands == "both" else (False,):
            read = reverse_complement(codes) if turned else codes
            tokens = model.tokenise(read)
            unknown = np.append(0, np.cumsum(read == N_CODE))
            counts = unknown[tokens.reads[:, 1]] == unknown[tokens.reads[:, 0]]
            stands = len(codes) - tokens.stands[:, ::-1] if turned else tokens.stands
            weights, first = _weights(stands + window_start, counts, core, bin_bp)
            if weights.any():
                yield _Window(tokens, weights, first - first_bin)


def _means(
    windows: Iterator[_Window], bins: int, model: LanguageModel, batch_size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Vectors float32 (bins, channels), 0 where nothing was read, and how many bases each is of (bins,)."""
    total = torch.zeros(bins, model.channels, device=model.device)
    number = np.zeros(bins)
    batch: list[_Window] = []

    def add() -> None:
        for window, states in zip(batch, model.states([window.tokens for window in batch])):
            rows = slice(window.first, window.first + len(window.weights))
            total[rows] += torch.from_numpy(window.weights).to(model.device) @ states
            number[rows] += window.weights.sum(axis=1)
        batch.clear()

    for window in windows:
        batch.append(window)
        if len(batch) == batch_size:
            add()
    if batch:
        add()
    return total.cpu().numpy() / np.maximum(number, 1)[:, None], number


# ---------------------------------------------------------------- prepare


class _Progress:
    """How far the work is: vectors and flags in files, and a note of the stretches that are done."""

    def __init__(self, folder: Path, bins: int, channels: int, stored: str, name: str, total: int):
        self._folder, self._name, self._total = folder, name, total
        shape = (bins, channels)
        self.done, mode = 0, "w+"
        folder.mkdir(parents=True, exist_ok=True)
        try:
            note = json.loads((folder / PROGRESS).read_text())
            known = np.load(folder / "vectors.npy", mmap_mode="r"), np.load(folder / "valid.npy", mmap_mode="r")
            if (known[0].shape, str(known[0].dtype), known[1].shape) == (shape, stored, shape[:1]):
                self.done, mode = int(note["done"]), "r+"
        except (OSError, EOFError, ValueError, KeyError, TypeError):
            pass  # nothing was begun, a kill came before the first stretch was noted, or a file is damaged
        self._note()  # first: an older note would take new files for full ones
        self.vectors = open_memmap(folder / "vectors.npy", mode=mode, dtype=np.dtype(stored), shape=shape)
        self.valid = open_memmap(folder / "valid.npy", mode=mode, dtype=np.bool_, shape=shape[:1])

    def _note(self) -> None:
        text = json.dumps({"name": self._name, "done": self.done, "of": self._total})
        beside = self._folder / f".{PROGRESS}"
        beside.write_text(text + "\n")
        os.replace(beside, self._folder / PROGRESS)

    def step(self) -> None:
        """One more stretch is done: its vectors are on the disk before the note says so."""
        self.vectors.flush()
        self.valid.flush()
        self.done += 1
        self._note()


def _kept(means: np.ndarray, stored: str, place: str) -> np.ndarray:
    """As they are stored. Raises InputError for what is not finite there."""
    if not np.isfinite(means).all():
        raise InputError(f"{place}: the model gives values that are not numbers; set precision: float32, or check it")
    largest = float(np.abs(means).max(initial=0))
    if largest > float(np.finfo(stored).max):
        raise InputError(f"{place}: values up to {largest:.3g} are beyond float16; set stored: float32")
    return means.astype(stored)


def prepare(
    model: LanguageModel,
    sequence: SequenceStore,
    out: str | os.PathLike,
    unfinished: str | os.PathLike,
    settings: Settings,
    *,
    bin_bp: int,
    name: str,
    identity: str,
    batch_size: int = 16,
) -> dict:
    """Write the files of `embeddings` into the folder `out`; returns what summary.json says.

    unfinished: a folder for what is done so far, of this version of the vectors alone; a run that finds it goes on. It
    is removed (`clean`) once `out` has its final place. name: what the configuration calls the vectors; identity:
    digest of what they mean.
    Raises InputError for vectors that are no numbers or all the same.
    """
    out, unfinished = Path(out), Path(unfinished)
    sizes = sequence.chromsizes
    parts = stretches(sizes, settings, bin_bp)
    bins = sum(n_bins(length_bp, bin_bp) for length_bp in sizes.values())
    state = _Progress(unfinished, bins, model.channels, settings.stored, name, len(parts))
    if state.done:
        logger.info("embedding %s: goes on after %d of %d stretches", name, state.done, len(parts))
    begun, first, said = time.monotonic(), state.done, time.monotonic()
    for part in parts[first:]:
        here = n_bins(part.end_bp - part.start_bp, bin_bp)
        rows = slice(part.first_bin, part.first_bin + here)
        means, number = _means(_windows(sequence, part, model, settings, bin_bp), here, model, batch_size)
        with_n = n_per_bin(sequence.window(part.chrom, part.start_bp, part.end_bp), bin_bp)
        valid = (number > 0) & ~with_n
        place = f"{settings.model}: {part.chrom}:{part.start_bp:,}-{part.end_bp:,}"
        state.vectors[rows] = _kept(np.where(valid[:, None], means, 0), settings.stored, place)
        state.valid[rows] = valid
        state.step()
        if time.monotonic() - said > LOG_EVERY_S or state.done == len(parts):
            said = time.monotonic()
            left_min = (said - begun) / (state.done - first) * (len(parts) - state.done) / 60
            logger.info(
                "embedding %s: %s, %d of %d stretches (%.0f %%), about %.0f min left",
                *(name, part.chrom, state.done, len(parts), 100 * state.done / len(parts), left_min),
            )
    report = _checked(state, settings) | {
        "name": name,
        "identity": identity,
        "bin_bp": bin_bp,
        "channels": model.channels,
        "settings": {key: value for key, value in asdict(settings).items() if key != "model"},  # a place, no setting
    }
    lines = ["name\tlength_bp\tbin_bp", *(f"{chrom}\t{length_bp}\t{bin_bp}" for chrom, length_bp in sizes.items())]
    (out / "chromosomes.tsv").write_text("\n".join(lines) + "\n")
    (out / "summary.json").write_text(json.dumps(report, indent=1) + "\n")
    for file in ("vectors.npy", "valid.npy"):
        _link(unfinished / file, out / file)
    return report


def _link(made: Path, out: Path) -> None:
    """The file under a second name: a kill before the end then loses nothing. A copy where the disk has no links."""
    try:
        os.link(made, out)
    except OSError:
        shutil.copyfile(made, out)


def _checked(state: _Progress, settings: Settings) -> dict:
    """What must hold of all vectors together, and their numbers."""
    valid = np.array(state.valid)
    if not valid.any():
        raise InputError(f"{settings.model}: no bin of the genome is free of N; there is nothing to embed")
    known = np.flatnonzero(valid)
    some = np.asarray(state.vectors[known[np.linspace(0, len(known) - 1, min(len(known), 1000)).astype(int)]])
    some = some.astype(np.float64)
    if len(some) > 1 and some.std(axis=0).max() == 0:
        raise InputError(
            f"{settings.model}: every bin has the same vector: the model does not see the sequence; check `tokenizer` "
            "and `layer`"
        )
    deviation = some.std(axis=0)
    steps = np.abs(some.mean(axis=0)) * float(np.finfo(settings.stored).eps)  # from one number to the next
    rounding = float(np.median(steps / np.maximum(deviation, 1e-30)))
    if len(some) > 1 and rounding > MOST_ROUNDING:
        logger.warning(
            "%s: bins differ so little that %s rounds %.0f %% of what they differ by; set stored: float32",
            *(settings.model, settings.stored, 100 * rounding),
        )
    return {
        "bins": len(valid),
        "valid": float(valid.mean()),
        "mean_norm": float(np.linalg.norm(some, axis=1).mean()),
        "sd": float(deviation.mean()),
    }


def clean(root: str | os.PathLike, name: str) -> None:
    """Remove what is left of the unfinished vectors of a name, those of its earlier versions too."""
    for path in Path(root).glob(f"*/{PROGRESS}"):
        try:
            mine = json.loads(path.read_text())["name"] == name
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if mine:
            shutil.rmtree(path.parent)
