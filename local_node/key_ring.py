"""The node's keys on the disk: the one in use, and the next one while it is being changed."""

import secrets
from pathlib import Path

from shared_schema.keys import SigningKey
from shared_schema.service.key_file import drop_next_key, find_next_key, promote_next_key, write_next_key


class KeyRing:
    """The key in use (`current`), and the one that is to come."""

    def __init__(self, data_dir: Path, current: SigningKey) -> None:
        self._data_dir = data_dir
        self.current = current

    def find_next(self) -> SigningKey | None:
        """The key that is to come; None when there is none."""
        return find_next_key(self._data_dir)

    def make_next(self) -> SigningKey:
        """The key that is to come; it is on the disk before anybody hears of it."""
        key = self.find_next() or SigningKey.from_seed(secrets.token_bytes(32))
        write_next_key(self._data_dir, key)
        return key

    def promote(self) -> None:
        """Use the next key from now on. The one before is gone after that."""
        key = self.find_next()
        if key is not None:
            promote_next_key(self._data_dir)
            self.current = key

    def drop_next(self) -> None:
        """Erase a next key that came to nothing."""
        drop_next_key(self._data_dir)
