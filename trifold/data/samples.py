"""What a training asks of the data set of a task."""

from typing import Any

from torch.utils.data import Dataset, default_collate


class Samples(Dataset):
    """Samples as dicts of arrays or tensors, unbatched, of a known number."""

    def __len__(self) -> int:
        raise NotImplementedError

    def set_epoch(self, epoch: int) -> None:
        """Draw what is random in an epoch from now on: called at each epoch's start; nothing is unless it is said."""

    @staticmethod
    def collate(batch: Any) -> Any:
        """What a loader makes a batch with; a data set that makes whole batches overrides it."""
        return default_collate(batch)
