# SPDX-License-Identifier: Apache-2.0
"""A suite as a list of scenarios: each a title and a function that is given the broker."""

import time
import traceback


class Scenarios:
    """`@scenarios("title")` keeps a function; `run` runs what is wanted and returns the process's exit status."""

    def __init__(self):
        self.kept = []

    def __call__(self, title, ours=False):
        """`ours`: what another broker need not do, so that the suite tried against one leaves it out."""
        def keep(run):
            self.kept.append((title, run, ours))
            return run
        return keep

    def run(self, broker, only="", another=False):
        """Runs those whose function or title contains `only`; `another`: the broker is not ours."""
        failed, passed = [], 0
        for title, run, ours in self.kept:
            if only not in run.__name__ + title or (ours and another):
                continue
            began = time.monotonic()
            try:
                run(broker)
                broker.assert_alive()
                passed += 1
                print(f"ok      {title} ({time.monotonic() - began:.2f} s)", flush=True)
            except Exception:  # one scenario's failure must not hide the others'
                failed.append(title)
                print(f"FAILED  {title} ({time.monotonic() - began:.2f} s)\n{traceback.format_exc()}", flush=True)
                if broker.process.poll() is not None:
                    broker.start()
        if failed:
            broker.print_log()
        print(f"{passed} passed, {len(failed)} failed")
        return 1 if failed or not passed else 0
