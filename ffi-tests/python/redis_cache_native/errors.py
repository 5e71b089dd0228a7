"""The errors of the C API as a tree of exceptions, named as in C++. Those that mean what an exception of Python means are
that exception too, so that code which never heard of this package catches them."""

from django.core.exceptions import ImproperlyConfigured


class Error(Exception):
    """Anything that went wrong; its text names the server and the command, never a value or a password."""


class UnreachableError(Error):
    """No answer: what a program that can do without its cache catches."""


class IoError(UnreachableError, ConnectionError):
    """Refused, reset, TLS failed, or the other side is no Redis."""


class TimeoutError(UnreachableError, TimeoutError):
    """No answer within the time budget of the call (the option `timeout`)."""


class UnavailableError(UnreachableError):
    """The server failed several times in a row and is left alone for a while."""


class InvalidArgument(Error, ValueError):
    """An argument that can never be right, such as an empty key."""


class ConfigError(Error, ImproperlyConfigured):
    """A setting that is unknown, malformed or does not fit another one."""


class AuthError(Error):
    """A wrong password, or a missing permission."""


class ServerError(Error):
    """Any other error reply of the server."""


class WrongTypeError(Error, TypeError):
    """What is stored is no integer, or a counter would overflow."""


class DecodeError(Error):
    """What is stored cannot be read (with `on_decode_error` = "error")."""


class LostError(Error):
    """The lock is no longer held."""


class CallbackError(Error):
    """The function of another thread, which this one waited for, failed."""


class PanicError(Error):
    """A defect of the library."""


class UnsupportedError(Error):
    """This layout, store or build does not have the operation."""


class NoMemoryError(Error, MemoryError):
    """No memory for a value."""


class BusyError(Error):
    """Somebody else computes the value, and the wait is over (with `on_wait_timeout` = "busy")."""


class PartialError(Error):
    """Some keys of a call on many could not be asked for: `errors` has theirs, `values` the others' values."""

    def __init__(self, text, values, errors):
        super().__init__(text)
        self.values = values
        self.errors = errors


# By the names of the header's enumerators, less REDIS_CACHE_.
BY_NAME = {
    "BUSY": BusyError,
    "ERR_INVALID_ARGUMENT": InvalidArgument,
    "ERR_CONFIG": ConfigError,
    "ERR_IO": IoError,
    "ERR_TIMEOUT": TimeoutError,
    "ERR_AUTH": AuthError,
    "ERR_SERVER": ServerError,
    "ERR_WRONG_TYPE": WrongTypeError,
    "ERR_DECODE": DecodeError,
    "ERR_UNAVAILABLE": UnavailableError,
    "ERR_LOST": LostError,
    "ERR_CALLBACK": CallbackError,
    "ERR_PANIC": PanicError,
    "ERR_UNSUPPORTED": UnsupportedError,
    "ERR_NO_MEMORY": NoMemoryError,
}
