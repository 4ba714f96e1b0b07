"""A namespace of the tests' cluster: workloads with their proxyrunners, made, asked, hurt and removed."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx
from kubernetes.client import ApiException, AppsV1Api, CoreV1Api, V1DeleteOptions
from kubernetes.utils import create_from_dict

from ...integration.support.stack import until
from .lab import Kube
from .manifests import proxyrunner_objects

__all__ = ["Runner", "Scene"]

_AT_ONCE = 0


@dataclass
class Scene:
    """One namespace. What is made in it goes with it."""

    kube: Kube
    namespace: str
    proxy_image: str
    made: list[str] = field(default_factory=list)

    @property
    def core(self) -> CoreV1Api:
        """The cluster's core objects."""
        return CoreV1Api(self.kube.client)

    @property
    def apps(self) -> AppsV1Api:
        """The cluster's controllers of pods."""
        return AppsV1Api(self.kube.client)

    async def run(
        self,
        run_config: Mapping[str, Any],
        *,
        pod_patch: Mapping[str, Any] | None = None,
        generation: int = 0,
        arguments: tuple[str, ...] = (),
        configured: bool = True,
        variables: Mapping[str, str] | None = None,
        without: Sequence[str] = (),
    ) -> "Runner":
        """Make a workload's objects, but those of the kinds in ``without``."""
        name = str(run_config["name"])
        objects = proxyrunner_objects(
            run_config,
            image=self.proxy_image,
            pod_patch=pod_patch,
            generation=generation,
            arguments=arguments,
            configured=configured,
            variables=variables,
        )
        self.made.append(name)
        for each in objects:
            if each["kind"] not in without:
                await asyncio.to_thread(create_from_dict, self.kube.client, each, namespace=self.namespace)
        service = await self._read(self.core.read_namespaced_service, f"mcp-{name}-proxy")
        address = await asyncio.to_thread(self.kube.node_address)
        return Runner(self, name, f"http://{address}:{service.spec.ports[0].node_port}")

    async def end(self, name: str) -> None:
        """Remove a workload, the proxy first: it would make its pods again."""
        remove = V1DeleteOptions(propagation_policy="Foreground", grace_period_seconds=_AT_ONCE)
        await self._gone(self.apps.delete_namespaced_deployment, name, remove)
        await until(f"the proxy of {name} is gone", lambda: self._empty(f"toolhive-name={name},app=mcpserver"))
        await self._gone(self.apps.delete_namespaced_stateful_set, name, remove)
        for kind in ("service", "config_map", "service_account"):
            listed = await asyncio.to_thread(
                getattr(self.core, f"list_namespaced_{kind}"), self.namespace, label_selector=f"toolhive-name={name}"
            )
            for each in listed.items:
                await self._gone(getattr(self.core, f"delete_namespaced_{kind}"), each.metadata.name, remove)
        for pod in await self.pods(f"app={name}"):
            await self.kill(pod)
        await until(f"the pods of {name} are gone", lambda: self._empty(f"app={name}"))

    async def pods(self, selector: str) -> list[str]:
        """Names of pods, those included that are ending."""
        found = await asyncio.to_thread(self.core.list_namespaced_pod, self.namespace, label_selector=selector)
        return sorted(pod.metadata.name for pod in found.items)

    async def kill(self, pod: str) -> None:
        """End a pod as a crash would; whoever looks after it makes another."""
        await self._gone(self.core.delete_namespaced_pod, pod, V1DeleteOptions(grace_period_seconds=_AT_ONCE))

    async def stateful_set(self, name: str) -> dict[str, Any] | None:
        """A StatefulSet as JSON; ``None`` when it is not there."""
        try:
            answer = await asyncio.to_thread(
                self.apps.read_namespaced_stateful_set, name, self.namespace, _preload_content=False
            )
        except ApiException as error:
            if error.status == 404:
                return None
            raise
        found: dict[str, Any] = json.loads(answer.data)
        return found

    async def logs(self, pod: str, *, previous: bool = False) -> str:
        """What a pod's only container wrote."""
        try:
            answer = await asyncio.to_thread(
                self.core.read_namespaced_pod_log, pod, self.namespace, previous=previous, _preload_content=False
            )
        except ApiException as error:
            return f"(no log: {error.reason})"
        return str(answer.data.decode())

    async def _read(self, read: Callable[..., Any], name: str) -> Any:
        return await asyncio.to_thread(partial(read, name, self.namespace))

    async def _gone(self, delete: Callable[..., Any], name: str, how: V1DeleteOptions) -> None:
        try:
            await asyncio.to_thread(delete, name, self.namespace, body=how)
        except ApiException as error:
            if error.status != 404:
                raise

    async def _empty(self, selector: str) -> bool:
        return not await self.pods(selector)


@dataclass(frozen=True)
class Runner:
    """A workload's proxyrunner."""

    scene: Scene
    name: str
    base: str

    @property
    def url(self) -> str:
        """Where clients connect to."""
        return f"{self.base}/mcp"

    async def asked(self, path: str) -> httpx.Response:
        """The answer to a GET."""
        async with httpx.AsyncClient(timeout=10) as client:
            return await client.get(self.base + path)

    async def ready(self, *, seconds: float = 120) -> None:
        """Return when it says that its server can be called."""

        async def says_so() -> bool:
            return (await self.asked("/readyz")).status_code == 200

        await self._until("is ready", says_so, seconds)

    async def says(self, text: str, *, seconds: float = 90, path: str = "/readyz") -> str:
        """Return its answer once it has the text in it."""

        async def it_does() -> str:
            answer = (await self.asked(path)).text
            return answer if text in answer else ""

        return str(await self._until(f"says {text!r}", it_does, seconds))

    async def pod(self) -> str:
        """Name of its pod."""

        async def one() -> str:
            found = await self.scene.pods(f"app=mcpserver,toolhive-name={self.name}")
            return found[0] if len(found) == 1 else ""

        return str(await until(f"{self.name} has one proxy", one))

    async def killed(self) -> None:
        """End its pod as a crash would, and return when another one is ready and gets all that is sent."""
        before = await self.pod()
        await self.scene.kill(before)

        async def another() -> bool:
            listed = await asyncio.to_thread(
                self.scene.core.list_namespaced_pod,
                self.scene.namespace,
                label_selector=f"app=mcpserver,toolhive-name={self.name}",
            )
            ready = {
                pod.metadata.name
                for pod in listed.items
                if any(each.type == "Ready" and each.status == "True" for each in pod.status.conditions or [])
            }
            return bool(ready) and before not in ready

        await self._until("is back", another, 90)

    async def log(self, *, previous: bool = False) -> str:
        """What it wrote."""
        return await self.scene.logs(await self.pod(), previous=previous)

    async def server_pods(self) -> list[str]:
        """Names of the server's first pods."""
        return await self.scene.pods(f"app={self.name}")

    async def _until(self, what: str, holds: Callable[[], Any], seconds: float) -> Any:
        try:
            return await until(f"{self.name} {what}", holds, seconds=seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{await self.log()}") from None
