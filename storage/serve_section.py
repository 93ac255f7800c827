"""`[serve]` of trainshed.toml: how a model's endpoint answers, what it keeps, and what it refuses."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from storage.rollout_section import CanarySection
from storage.sections import Section, kept


def of_endpoint(name: str, settings: dict[str, Any]) -> ServeSection:
    """The settings that an endpoint was started with, maybe by another version of trainshed.

    Raises:
        UsageError: when this version does not understand them.
    """
    todo = f"upgrade trainshed, or stop it and start it anew: `trainshed endpoints start {name}`"
    return kept(ServeSection, settings, place=f'the settings of endpoint "{name}"', todo=todo)


class BatchSection(Section):
    """`[serve.batch]`: rows that reach the model together.

    Attributes:
        max_size: most rows of one call of the model; a larger request goes in several.
        max_delay_ms: how long a request waits for others. At 0 only what comes in the same moment goes together, and
            what comes while a slow model is at work.
        max_queue: rows that may wait; beyond it a request is answered 429 at once.
    """

    max_size: Annotated[int, Field(ge=1, le=65536)] = 64
    max_delay_ms: Annotated[float, Field(ge=0, le=1000)] = 0.0
    max_queue: Annotated[int, Field(ge=1)] = 20_000

    @model_validator(mode="after")
    def _a_batch_fits_the_queue(self) -> BatchSection:
        if self.max_queue < self.max_size:
            raise ValueError("max_queue must be at least max_size")
        return self


class LogSection(Section):
    """`[serve.log]`: what the prediction log keeps.

    Attributes:
        sample: the share of requests that is logged.
        keep_days: older segments are removed.
        keep_gb: the oldest segments beyond it are removed.
        drop: input columns that are never written.
        hash: input columns of which only a keyed hash is written, so that equal values stay equal.
        access_mb: of the access log, all its files together; at 0 none is kept.
    """

    sample: Annotated[float, Field(ge=0, le=1)] = 1.0
    keep_days: Annotated[float, Field(gt=0)] = 90.0
    keep_gb: Annotated[float, Field(gt=0)] = 10.0
    drop: list[str] = Field(default_factory=list)
    hash: list[str] = Field(default_factory=list)
    access_mb: Annotated[float, Field(ge=0)] = 64.0


class ServeSection(Section):
    """`[serve]`: the endpoint of the project's model.

    Attributes:
        port: where it listens; by default the first free one from 8123 on.
        address: of this machine, where it listens. Beyond loopback only with TLS, or for a proxy that ends it.
        tls_cert, tls_key: PEM files, of the certificate (with its chain) and its key.
        behind_proxy: addresses of the proxies that alone may connect, besides this machine itself. Only of them is
            X-Forwarded-Proto believed, and it must say https.
        workers: processes that answer; each has the whole model in memory.
        threads: of one call of the model.
        device: `auto` is a GPU where onnxruntime finds one, else the CPU.
        hosts: names besides 127.0.0.1 and localhost that a request's Host header may carry (behind a proxy).
        origins: web pages that may call it; by default none.
        max_body_mb: a longer request is answered 413.
        max_rows: of one request.
        timeout_s: a request that takes longer is answered 503, a client that sends slower is disconnected.
        max_connections: open at once, in each worker.
        start: `auto` starts the endpoint after a run that brought a version into production, where none serves.
        trial_s: how long a new version may take to load and answer in its trial.
        canary: a version that passed the gate first answers a part of the requests, where an endpoint serves.
    """

    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    address: str = "127.0.0.1"
    tls_cert: str | None = None
    tls_key: str | None = None
    behind_proxy: list[str] = Field(default_factory=list)
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    device: Literal["auto", "cpu", "cuda", "tensorrt"] = "auto"
    hosts: list[str] = Field(default_factory=list)
    origins: list[str] = Field(default_factory=list)
    max_body_mb: Annotated[float, Field(gt=0, le=1024)] = 16.0
    max_rows: Annotated[int, Field(ge=1)] = 10_000
    timeout_s: Annotated[float, Field(gt=0, le=600)] = 10.0
    max_connections: Annotated[int, Field(ge=1)] = 4096
    start: Literal["auto", "manual"] = "manual"
    trial_s: Annotated[float, Field(gt=0, le=3600)] = 60.0
    canary: CanarySection | None = None
    batch: BatchSection = BatchSection()
    log: LogSection = LogSection()

    @model_validator(mode="after")
    def _a_request_fits_the_queue(self) -> ServeSection:
        if self.batch.max_queue < self.max_rows:
            raise ValueError("batch.max_queue must be at least max_rows, or the largest request could never be taken")
        return self

    @field_validator("address", "behind_proxy")
    @classmethod
    def _addresses(cls, value: str | list[str]) -> str | list[str]:
        for address in [value] if isinstance(value, str) else value:
            try:
                ipaddress.ip_address(address)
            except ValueError:
                raise ValueError(f'"{address}" is no IP address, such as 192.168.1.7') from None
        return value

    @model_validator(mode="after")
    def _nothing_in_the_clear_beyond_loopback(self) -> ServeSection:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key go together")
        address = ipaddress.ip_address(self.address)
        if address.is_loopback:
            return self
        if self.tls_cert is None and not self.behind_proxy:
            raise ValueError(
                f"address {self.address} is beyond loopback, where tokens and rows would travel in the clear: give "
                "tls_cert and tls_key, or behind_proxy with the addresses of the proxy that ends TLS"
            )
        if address.is_unspecified and not self.hosts:
            raise ValueError(f"address {self.address} needs hosts: the names by which callers will ask")
        return self
