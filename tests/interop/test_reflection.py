"""The service driven by what it says about itself: server reflection, no stubs."""

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from tests.cli.process import headcount, serving

SCHEMA = """
[audience]
key = "uint32"
[attributes]
country = "keyword"
"""


@pytest.fixture(scope="module")
def channel(tmp_path_factory):
    directory = tmp_path_factory.mktemp("reflection")
    (directory / "shop.toml").write_text(SCHEMA)
    (directory / "people.csv").write_text("key,country\n1,DE\n2,FR\n3,de\n")
    with serving(directory / "audiences", "--log-level=warning") as (_, address):
        at = ("--address", address)
        made = headcount("audience", "create", "shop", "--schema", directory / "shop.toml", *at)
        assert made.code == 0, made.err
        assert headcount("import", "shop", directory / "people.csv", *at).code == 0
        with grpc.insecure_channel(address) as found:
            yield found


@pytest.fixture(scope="module")
def pool(channel):
    return descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(channel))


def ask(channel, pool, service, method, fields):
    """Call a method with a message built from its descriptor."""
    found = pool.FindServiceByName(service).FindMethodByName(method)
    request = message_factory.GetMessageClass(found.input_type)(**fields)
    answer = message_factory.GetMessageClass(found.output_type)
    call = channel.unary_unary(
        f"/{service}/{method}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=answer.FromString,
    )
    return call(request, timeout=20)


def test_every_service_is_listed(channel):
    services = set(ProtoReflectionDescriptorDatabase(channel).get_services())
    ours = ("Audience", "Ingest", "Segment", "Query", "Admin")
    assert {f"headcount.v1.{name}Service" for name in ours} <= services
    assert {"grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"} <= services


def test_a_count_is_built_from_descriptors_alone(channel, pool):
    fields = {"audience": "shop", "rule_text": 'country = "DE"'}
    answer = ask(channel, pool, "headcount.v1.QueryService", "Count", fields)
    assert (answer.total, answer.audience_size) == (2, 3)


def test_every_type_of_every_service_is_described(channel, pool):
    database = ProtoReflectionDescriptorDatabase(channel)
    for name in database.get_services():
        for method in pool.FindServiceByName(name).methods:
            assert method.input_type.full_name
            assert method.output_type.full_name
            described = descriptor_pb2.FileDescriptorProto()
            method.input_type.file.CopyToProto(described)
            assert described.name
