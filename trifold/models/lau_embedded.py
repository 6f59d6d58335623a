"""Low map and vectors of bins from a language model -> deep map: Lau's first network, HiCFoundation with Enformer.

Before its convolutional network (`lau`) the code of Lau 2025 (May 2025) read the sequence by a frozen Enformer, which
the report gave up for memory. Computed once (`data.language_models`), its states take little.

Deviations, by protocol:

- "published" is that version: the mean of the states over the window, one linear layer to the encoder's width, one
  token more in the decoder's input, [cls, count, sequence, patches]. The decoder's positions are still added to what
  follows the count token: the sequence token has the first patch's, every patch its successor's. The last patch has
  none here; what the released code gives it cannot be read from what is known of it.
- Which bases of the window Enformer read is not known; here the mean is over all bins of the window that have a vector,
  of whatever model made them.
- What is read of the map and predicted, and what is frozen, is as of published `hicfoundation-seq`: what is known of
  the version does not say otherwise. Its target was a placeholder (the input); it is the deep map here.
- "corrected" is the corrected `hicfoundation-seq` with the mean over the bins of a row of patches, batch-normed, in
  place of its convolutional network: one token per row, which map tokens attend to before every decoder block.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trifold.config import Geometry
from trifold.errors import InputError
from trifold.models import blocks
from trifold.models.embedded import FORWARD, channels_of
from trifold.models.hicfoundation import AS_RELEASED, ENCODINGS, ON_CONTACTS, VIT, Encoder
from trifold.models.lau import SEQ_ENCODING, RowTokens

# Read by trifold.architectures from the source.
ARCHITECTURES = {
    "hicfoundation-embedded": {
        "network": "HiCFoundationEmbedded",
        "inputs": ["map", "embeddings"],
        "target": "observed",
        "window_step": "patch_size",
        "options": {"encoding": None, "freeze_encoder": None, "control": "none", **VIT},
        "kinds": {"encoding": "word", "freeze_encoder": "bool"},
        "choices": {"encoding": ENCODINGS, "control": ["none", "shuffled"]},
        "published_only": {"encoding": AS_RELEASED},
        "by_protocol": {"encoding": SEQ_ENCODING},
        "when": {"encoding": {"contacts": {**ON_CONTACTS, "inputs": ["map", "total", "embeddings"]}}},
        "training": FORWARD,
    },
}


class RowMeans(nn.Module):
    """Vectors (B, channels, W), valid (B, W) -> a token per row of patches (B, rows, width), and where there is one.

    Bins of a genome have nearly the same vectors: the batch norm keeps what is left of a difference.
    """

    def __init__(self, channels: int, width: int, rows: int):
        super().__init__()
        self.rows = rows
        self.norm = nn.BatchNorm1d(channels)
        self.fc = nn.Linear(channels, width)

    def forward(self, vectors: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        number = valid.unflatten(1, (self.rows, -1)).sum(2)  # (B, rows)
        total = (vectors * valid[:, None]).unflatten(2, (self.rows, -1)).sum(3).mT  # (B, rows, channels)
        x = total / number.clamp(min=1)[..., None]
        return self.fc(self.norm(x.flatten(0, 1)).unflatten(0, number.shape)), number > 0


@blocks.declared(ARCHITECTURES["hicfoundation-embedded"])
class HiCFoundationEmbedded(RowTokens):
    """`map` (B, 1, W, W) on [0, 1] and `embeddings` (B, channels, W) -> (B, 1, W, W).

    Options of `RowTokens`. control: "none", or, in "corrected", "shuffled": the rows have each other's tokens. Raises
    InputError for it in "published", whose one token does not know where a bin is.
    """

    context = ("protocol", "statistics")

    def __init__(
        self,
        geometry: Geometry,
        *,
        protocol: str,
        statistics: dict,
        decoder_width: int,
        decoder_heads: int,
        control: str,
        width: int,
        **common,
    ):
        published = protocol == "published"
        if published and control != "none":
            raise InputError(
                f"config: the option control: {control}: the published network reads the mean over a window, which is "
                "the same in any order of its bins; leave the option out"
            )
        super().__init__(
            geometry,
            protocol=protocol,
            decoder_width=decoder_width,
            decoder_heads=decoder_heads,
            control=control,
            width=width,
            **common,
        )
        channels = channels_of(statistics)
        if published:
            self.sequence_proj = nn.Linear(channels, width)
            return
        self.sequence_rows = RowMeans(channels, decoder_width, geometry.window_bins // self.patch_size)
        self.add_rows(decoder_width, decoder_heads)

    def sequence_token(self, vectors: Tensor, valid: Tensor) -> Tensor:
        """(B, channels, W), (B, W) -> (B, 1, width): the mean over the bins that have a vector."""
        mean = (vectors * valid[:, None]).sum(2) / valid.sum(1, keepdim=True).clamp(min=1)  # (B, channels)
        return self.sequence_proj(mean)[:, None]

    def decoded(self, images: Tensor, batch: dict[str, Tensor]) -> Tensor:
        vectors, valid = batch["embeddings"], batch["embeddings_valid"]
        if not self.published:
            return self.decoded_with(images, *self.sequence_rows(vectors, valid))
        first = Encoder.leading
        leading, patches = self.vit_backbone(images, self.contacts(batch)).tensor_split([first], dim=1)
        tokens = torch.cat([leading, self.sequence_token(vectors, valid), patches], dim=1)
        # Positions of the patches on all that follows the count token: one place off.
        x = self.decode_tokens(tokens, table=F.pad(self.decoder_pos_embed, (0, 0, 0, 1)))
        return torch.cat([x[:, :first], x[:, first + 1 :]], dim=1)  # all but the sequence token
