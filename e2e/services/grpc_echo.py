"""A gRPC echo and its client, with bytes as messages, so that no compiler for message types is needed.

    grpc_echo.py serve PORT
    grpc_echo.py call HOST:PORT TOKEN       calls all four kinds and fails unless each echoes

The server answers every message with the same bytes, tells in its trailers which user it was told about, and ends
`Fail` with a status of its own.
"""

import sys
from collections.abc import Iterator
from concurrent import futures

import grpc

SERVICE = "usher.test.Echo"
MESSAGES = [b"one", b"", b"three " * 10_000]


def tell_user(context: grpc.ServicerContext) -> None:
    """Sends back who the gateway says is asking."""
    told = [value for name, value in context.invocation_metadata() if name == "x-user-id"]
    context.set_trailing_metadata((("told-user", ",".join(told)),))


def echo_one(message: bytes, context: grpc.ServicerContext) -> bytes:
    """One for one."""
    tell_user(context)
    return message


def echo_thrice(message: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
    """Three for one."""
    tell_user(context)
    for _ in range(3):
        yield message


def join(messages: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
    """One for all."""
    tell_user(context)
    return b"".join(messages)


def echo_each(messages: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
    """Each as it comes."""
    tell_user(context)
    yield from messages


def fail(_message: bytes, context: grpc.ServicerContext) -> bytes:
    """A status in the trailers, without a message."""
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "as was asked")
    return b""


def serve(port: int) -> None:
    """Serves on loopback until it is killed."""
    handlers = {
        "Unary": grpc.unary_unary_rpc_method_handler(echo_one),
        "ServerStream": grpc.unary_stream_rpc_method_handler(echo_thrice),
        "ClientStream": grpc.stream_unary_rpc_method_handler(join),
        "Both": grpc.stream_stream_rpc_method_handler(echo_each),
        "Fail": grpc.unary_unary_rpc_method_handler(fail),
    }
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    print("ready", flush=True)
    server.wait_for_termination()


def call(target: str, token: str) -> None:
    """Calls all kinds; what does not come back as it went ends this with an error."""
    metadata = (("authorization", f"Bearer {token}"), ("x-user-id", "forged"))
    options = [("grpc.enable_http_proxy", 0)]
    with grpc.insecure_channel(target, options) as channel:
        unary = channel.unary_unary(f"/{SERVICE}/Unary")
        for message in MESSAGES:
            answer, done = unary.with_call(message, metadata=metadata, timeout=10)
            assert answer == message, "unary"
        trailers = dict(done.trailing_metadata())
        thrice = channel.unary_stream(f"/{SERVICE}/ServerStream")(b"x", metadata=metadata, timeout=10)
        assert list(thrice) == [b"x"] * 3, "server stream"
        joined = channel.stream_unary(f"/{SERVICE}/ClientStream")(iter(MESSAGES), metadata=metadata, timeout=10)
        assert joined == b"".join(MESSAGES), "client stream"
        each = channel.stream_stream(f"/{SERVICE}/Both")(iter(MESSAGES), metadata=metadata, timeout=10)
        assert list(each) == MESSAGES, "both ways"
        try:
            channel.unary_unary(f"/{SERVICE}/Fail")(b"", metadata=metadata, timeout=10)
        except grpc.RpcError as error:
            assert error.code() is grpc.StatusCode.FAILED_PRECONDITION, error.code()
            assert error.details() == "as was asked", error.details()
        else:
            raise AssertionError("the status in the trailers was lost")
    print(trailers["told-user"])


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", port]:
            serve(int(port))
        case ["call", target, token]:
            call(target, token)
        case _:
            sys.exit(__doc__)
