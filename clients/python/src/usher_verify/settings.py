"""What a service says about itself and about Usher."""

from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of a verifier; they are the same in every language."""

    issuer: str
    """Usher's public URL, compared letter by letter with `iss`."""
    feed_token: str = ""
    """The service token of `usher verifier create`. Without one no revocation is heard of."""
    audience: str = ""
    """This service's name in `aud`. Empty means the issuer."""
    url: str = ""
    """Where Usher is reached from here. Empty means the issuer."""
    leeway: int = 60
    """How far clocks may be apart, in seconds."""
    refuse_after: float | None = None
    """Seconds without news from the feed after which every good token is refused. None goes on checking."""
    cache_capacity: int = 10_000
    """How many checked tokens are remembered, about 1 KiB each."""
    most_revocations: int = 1_000_000
    """How many revoked users are remembered at most, and as many sessions. Beyond, all older tokens are refused."""

    def __post_init__(self) -> None:
        if min(self.leeway, self.cache_capacity, self.most_revocations) < 0:
            raise ValueError("leeway, cache_capacity and most_revocations are not negative")
        if self.refuse_after is not None and self.refuse_after <= 0:
            raise ValueError("refuse_after is above zero")
        if self.refuse_after is not None and not self.feed_token:
            raise ValueError("refuse_after needs a feed_token: without the feed every token would be refused")
        for name in ("issuer", "base_url"):
            address = urlsplit(getattr(self, name))
            if address.scheme not in ("http", "https") or not address.netloc:
                raise ValueError(f"{getattr(self, name)!r} is no http or https URL")

    @property
    def base_url(self) -> str:
        """Where Usher is reached, without a slash at the end."""
        return (self.url or self.issuer).rstrip("/")
