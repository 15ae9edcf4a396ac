"""One program on a host: started without waiting for leave, then bytes in, bytes out."""

from collections.abc import Callable
from contextlib import suppress

import paramiko
from paramiko.common import cMSG_CHANNEL_REQUEST
from paramiko.ssh_exception import ChannelException, SSHException

from environments.ssh.errors import HostUnreachable
from environments.ssh.wire import HANDSHAKE_SECONDS

SEND_SECONDS = 15.0
ANSWER_SECONDS = 8.0


def start(channel: paramiko.Channel, command: str) -> None:
    """Ask for the program. The answer is not waited for: what is sent next travels right behind it."""
    channel.set_combine_stderr(True)
    message = paramiko.Message()
    message.add_byte(cMSG_CHANNEL_REQUEST)
    message.add_int(channel.remote_chanid)
    message.add_string("exec")
    message.add_boolean(True)
    message.add_string(command)
    # what Channel.exec_command does, but for the wait at its end
    channel._event_pending()  # type: ignore[attr-defined]
    channel.get_transport()._send_user_message(message)  # type: ignore[attr-defined]


def await_start(channel: paramiko.Channel) -> None:
    """Wait for the answer after all. Raises SSHException when it is none or a refusal."""
    if not channel.event.wait(HANDSHAKE_SECONDS) or not channel.event_ready:
        raise channel.get_transport().get_exception() or SSHException("it started no program")


class Channel:
    """`meanwhile` is called once, at the first wait for the host: what it does costs no time of its own.

    `again` starts the program over another connection, should this one turn out to have died before it was used.
    """

    def __init__(
        self,
        host: str,
        channel: paramiko.Channel,
        *,
        meanwhile: Callable[[], None],
        again: Callable[[], paramiko.Channel] | None,
    ) -> None:
        self._host = host
        self._channel = channel
        self._meanwhile: Callable[[], None] | None = meanwhile
        self._again = again
        self._unanswered: list[bytes] = []
        self._over = False  # closed by ourselves, perhaps while another thread still waits for an answer

    def send(self, data: bytes) -> None:
        """Raises HostUnreachable when the link has died, or when the host has taken nothing for a while."""
        if not self._channel.event_ready:
            self._unanswered.append(data)
        self._channel.settimeout(SEND_SECONDS)
        try:
            self._channel.sendall(data)
        except (SSHException, EOFError, OSError) as error:
            self._refuse_unstarted()
            if not self._start_again():
                raise HostUnreachable(self._host, f"The link to {self._host} broke while sending ({error}).") from None

    def receive(self, seconds: float, most: int = 1 << 16) -> bytes | None:
        """Bytes; b"" at the end of output; None when nothing came within `seconds`. Raises HostUnreachable."""
        meanwhile, self._meanwhile = self._meanwhile, None
        if meanwhile is not None:
            meanwhile()
        self._channel.settimeout(seconds)
        try:
            data = self._channel.recv(most)
        except TimeoutError:
            return None
        if data or self._channel.event_ready:
            return data
        self._refuse_unstarted()
        return self.receive(seconds, most) if self._start_again() else data

    def _refuse_unstarted(self) -> None:
        """The link lives, but the channel is closed without a word that the program was started."""
        if self._over:
            return
        if self._channel.closed and not self._channel.event_ready and self._channel.get_transport().is_active():
            raise HostUnreachable(self._host, f"{self._host} let us in but started no program.")

    def _start_again(self) -> bool:
        """Whether it was: only while nobody knows that the program was started. What was sent is sent again."""
        again, self._again = self._again, None
        if again is None or self._over or self._channel.event_ready:
            return False
        self._channel = again()
        unanswered, self._unanswered = self._unanswered, []
        for data in unanswered:
            self.send(data)
        return True

    def check_link(self) -> None:
        """Ask the server for an answer, whatever the program does. Raises HostUnreachable when none comes."""
        transport = self._channel.get_transport()
        try:
            transport.open_session(timeout=ANSWER_SECONDS).close()
        except ChannelException:
            return  # it has enough open already, but it lives
        except (SSHException, EOFError, OSError):
            # the same connection is no good for anything else
            with suppress(SSHException, EOFError, OSError):
                transport.close()
            raise HostUnreachable(
                self._host, f"{self._host} takes our connection, but its SSH server has stopped answering."
            ) from None

    @property
    def ended_by_host(self) -> bool:
        """Whether the host said how the program ended; otherwise an end of output only means a dead link."""
        return self._channel.exit_status_ready() and self._channel.exit_status != -1

    def close(self) -> None:
        self._over = True
        with suppress(SSHException, EOFError, OSError):
            self._channel.close()
