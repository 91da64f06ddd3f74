from django.apps import AppConfig


class MturkConfig(AppConfig):
    name = "mturk"
    verbose_name = "Mechanical Turk"

    def ready(self) -> None:
        """The sweep and the work page stand below this app and cannot know its steps and frames by themselves."""
        from lifecycle.clock import add_step
        from marketplace.showing import FRAMES
        from mturk.frames.showing import frame_of
        from mturk.services import changes, hits, notifications, tokens

        add_step("mturk expiry", hits.expire_due, 1.0)
        add_step("mturk disposal", hits.dispose_idle, 10.0)
        add_step("mturk changes", changes.act_on_changes, 1.0)
        add_step("mturk notifications", notifications.deliver_due, 1.0, is_long=True)
        add_step("mturk tokens", tokens.forget_old_tokens, 600.0)
        FRAMES.append(frame_of)
