from django.db import models

from deployments.models.deploys import Deploy, Program


class Stream(models.TextChoices):
    OUTPUT = "stdout", "what a step printed (standard output and error, in order)"
    DEPLOYER = "deployer", "the Deployer's own words"


class LogChunk(models.Model):
    """Consecutive lines of one source; the rows of a deploy are its log.

    `n` counts from 1 within the deploy. `offset` and `end_offset` are bytes of the program's spool, so that a chunk
    can be stored once only; lines that no program printed have no program.
    """

    deploy = models.ForeignKey(Deploy, on_delete=models.CASCADE, related_name="chunks")
    program = models.ForeignKey(Program, on_delete=models.CASCADE, null=True, related_name="chunks")
    host_name = models.CharField(max_length=63, blank=True, default="")
    stream = models.CharField(max_length=8, choices=Stream.choices)
    first_n = models.PositiveBigIntegerField()
    last_n = models.PositiveBigIntegerField()
    offset = models.PositiveBigIntegerField(default=0)
    end_offset = models.PositiveBigIntegerField(default=0)
    at = models.DateTimeField()
    text = models.TextField(help_text="The lines, joined by newlines.")

    class Meta:
        ordering = ["deploy", "first_n"]
        constraints = [
            models.UniqueConstraint(fields=["program", "offset"], name="chunk_once"),
            models.UniqueConstraint(fields=["deploy", "first_n"], name="line_number_once"),
        ]
        indexes = [models.Index(fields=["deploy", "last_n"], name="chunk_by_last_n")]

    def __str__(self) -> str:
        return f"lines {self.first_n} to {self.last_n} of deploy {self.deploy_id}"
