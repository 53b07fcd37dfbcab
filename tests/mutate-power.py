#!/usr/bin/env python3
"""Breaks each guard of the power machine in turn and shows that some test fails.

Usage: tests/mutate-power.py [NAME-PART]     (all mutations, or those whose name contains NAME-PART)

Works on a copy of the sources in a directory of its own, with a target directory of its own, and leaves this tree alone.
Exit status 1 if a mutation survives or no longer applies.
"""
import os
import resource
import shutil
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
WORK = os.environ.get("MUTATE_DIR", os.path.join(TOP, "target", "mutate"))

# name, file under src/power, what stands there, what it becomes
MUTATIONS = [
    ("one reading is an agreement", "streak.rs", "run.count >= readings.max(1)", "run.count >= readings.min(1)"),
    ("readings a moment apart agree", "streak.rs", "Duration::from_millis(200)", "Duration::from_millis(0)"),
    ("a disagreeing reading is forgiven", "streak.rs", "(false, _) => None,", "(false, run) => run,"),
    ("an alert does not shorten agreement", "transitions.rs", "if Self::believed_at_once(reading) { 1 }", "if false { 1 }"),
    ("status 0 is data", "transitions.rs", "if !bits.intersects(line_bits) {", "if false {"),
    ("candidate survives a loss", "transitions.rs", "let mains = self.candidate.take()", "let mains = self.candidate"),
    ("transfer stays unannounced in silence", "transitions.rs", "                self.classify();\n                self.master.on_battery", "                self.master.on_battery"),
    ("a master's last word of mains is forgotten", "transitions.rs", "self.outage().is_some() && !mains;", "self.outage().is_some();"),
    ("a master lost on mains shuts down", "shutdown.rs", "filter(|_| self.master.on_battery && self.settings.slave)", "filter(|_| self.settings.slave)"),
    ("a lost master is not borne", "shutdown.rs", "since.checked_add(self.settings.net_timeout)", "Some(since)"),
    ("a lost master is borne for ever", "limits.rs", "view.master_lost_at.map(|at| (at, Cause::MasterLost, Grounds::Said))", "None"),
    ("a master that is back still shuts down", "shutdown.rs", "Some(Closed { cause: Cause::MasterLost, .. }) => self.remote || self.master_lost_at().is_some(),", "Some(Closed { cause: Cause::MasterLost, .. }) => true,"),
    ("commok always", "transitions.rs", "if was.is_lost() {", "if true {"),
    ("commok never", "transitions.rs", "if was.is_lost() {", "if false {"),
    ("changeme for ever", "transitions.rs", "if due && times < CHANGE_ME_TIMES {", "if due {"),
    ("changeme with every reading", "transitions.rs", "(now.saturating_duration_since(at) > CHANGE_ME_AGAIN, times)", "(true, times)"),
    ("hearsay believed at once", "transitions.rs", "hearsay.agreed.since(n).is_some()", "hearsay.agreed.since(1).is_some()"),
    ("hearsay never believed", "transitions.rs", "                outage.hearsay = None;", ""),
    ("charge limit excludes equality", "transitions.rs", "charge <= limit.0", "charge < limit.0"),
    ("runtime limit excludes equality", "transitions.rs", "runtime <= limit.0", "runtime < limit.0"),
    ("saved outage counts from the restart", "transitions.rs", "let mut outage = Outage::new(since, since);", "let mut outage = Outage::new(self.now, self.now);"),
    ("kill survives mains", "transitions.rs", "            closed.kill_at = None;", ""),
    ("no offbattery", "transitions.rs", "if was.announced() {", "if false {"),
    ("orphan offbattery", "transitions.rs", "if was.announced() {", "if true {"),
    ("total is not counted", "transitions.rs", "self.counters.total.saturating_add(now", "self.counters.total.max(now"),
    ("stale powerfail stays", "transitions.rs", "if self.powerfail == Some(Flag::Stale) {", "if false {"),
    ("stale powerfail removed after one reading", "transitions.rs", "if mains.agreed.since(self.settings.confirm_polls).is_some() {", "if true {"),
    ("cause is not asked for", "transitions.rs", "            self.cause = Query::Idle;\n            self.ask_cause();", "            self.cause = Query::Idle;"),
    ("a cause that came with the alert is asked for again", "transitions.rs", "if on_battery && reading.evidence == Evidence::AlertCauseAndRead {", "if false {"),
    ("a reason for silence is told again", "transitions.rs", "let news = kept.is_empty() && !reason.is_empty();", "let news = !reason.is_empty();"),
    ("old cause believed", "transitions.rs", "let said = self.known.transfer_cause.is_none() || self.cause == Query::Fresh;", "self.cause = Query::Fresh; let said = true;"),
    ("failed cause query waits", "transitions.rs", "if matches!(self.cause, Query::Fresh | Query::Idle) {", "if matches!(self.cause, Query::Fresh) {"),
    ("nologin removed while in force", "transitions.rs", "        if !self.no_login {\n            self.order(Order::RemoveNologin);\n        }", "        self.order(Order::RemoveNologin);"),
    ("dead line is no outage", "selftest.rs", "if (calibration || self_test) && !self.known.line_is_dead() {", "if calibration || self_test {"),
    ("self test is an outage", "selftest.rs", "self.cause == Query::Fresh && self.known.transfer_cause == Some(TransferCause::SelfTest);", "false;"),
    ("transfers are not counted", "selftest.rs", "self.counters.transfers.saturating_add(1)", "self.counters.transfers.saturating_add(0)"),
    ("calibration stays a self test", "selftest.rs", "if calibrates && !test.calibration {", "if false {"),
    ("calibration not bounded by charge", "selftest.rs", "let too_low = test.calibration &&", "let too_low = false &&"),
    ("other cause does not refute", "selftest.rs", "|| (other_cause && !test.calibration)", ""),
    ("dead line does not refute", "selftest.rs", "test.refuted.note(dead || too_low", "test.refuted.note(too_low"),
    ("one reading refutes", "selftest.rs", "if test.refuted.since(n).is_some() {", "if test.refuted.first().is_some() {"),
    ("dropped bit gets no time", "selftest.rs", "now.checked_add(CALIBRATION_ENDING).unwrap_or(now).max(by_start)", "by_start"),
    ("dropped bit is ignored", "selftest.rs", "if test.calibration_over.since(n).is_some() {", "if false {"),
    ("cause is not asked again", "selftest.rs", "if !test.calibration && now.saturating_duration_since(test.asked) >= ASK_AGAIN {", "if false {"),
    ("calibration twice in an outage", "selftest.rs", "possible && !outage.tested", "possible"),
    ("no calibration after all", "selftest.rs", "if outage.calibration.since(n).is_none() {", "if true {"),
    ("result in progress is told", "selftest.rs", "if told && self.known.self_test != Some(SelfTestResult::InProgress) {", "if told {"),
    ("limit order: charge before timeout", "limits.rs", "        a,\n        b,\n        c,", "        c,\n        b,\n        a,"),
    ("no debounce", "limits.rs", "pub(super) const DEBOUNCE: Duration = Duration::from_secs(5);", "pub(super) const DEBOUNCE: Duration = Duration::from_secs(0);"),
    ("long debounce", "limits.rs", "pub(super) const DEBOUNCE: Duration = Duration::from_secs(5);", "pub(super) const DEBOUNCE: Duration = Duration::from_secs(15);"),
    ("emergency by one reading", "limits.rs", "view.emergency.since(n)", "view.emergency.since(1)"),
    ("low battery not latched in silence", "limits.rs", "(view.lost && view.low.first().is_some())", "(false)"),
    ("no projected charge", "limits.rs", "let limit = view.settings.battery_level?.0;", "let limit = view.settings.battery_level.filter(|_| false)?.0;"),
    ("no rate from the fall", "limits.rs", "if fallen <= 0.0 || over <= 0.0 {", "if true {"),
    ("no projected runtime", "limits.rs", "let last = view.known.runtime?;", "let last = view.known.runtime.filter(|_| false)?;"),
    ("no reserve", "limits.rs", "None if view.silent_since.is_some() =>", "None if false =>"),
    ("reserve though the UPS answers", "limits.rs", "None if view.silent_since.is_some() =>", "None if true =>"),
    ("fresh values are projected", "limits.rs", "Some(from.checked_add(span)?.max(read.checked_add(STALE)?))", "from.checked_add(span)"),
    ("never blind", "limits.rs", "view.silent_since.filter(|_| hopeless)", "view.silent_since.filter(|_| false)"),
    ("blind though TIMEOUT is set", "limits.rs", "let hopeless = timeout.is_none() &&", "let hopeless = true || timeout.is_none() &&"),
    ("hearsay limits at once", "limits.rs", "(outage.not_before(at), cause, grounds)", "(at, cause, grounds)"),
    ("zero charge with long runtime", "known.rs", "charge.filter(|v| *v > 0.0 || !long)", "charge"),
    ("zero runtime with high charge", "known.rs", "runtime.filter(|v| *v > 0.0 || near_end)", "runtime"),
    ("zero runtime never", "known.rs", "runtime.filter(|v| *v > 0.0 || near_end)", "runtime.filter(|v| *v > 0.0)"),
    ("65535 seconds is a runtime", "known.rs", "(v - UNKNOWN_RUNTIME_MINUTES).abs() > 0.01", "true || (v - UNKNOWN_RUNTIME_MINUTES).abs() > 0.01"),
    ("both zero believed at once", "known.rs", "now.saturating_duration_since(since) >= ZEROS_BELIEVED_AFTER", "true"),
    ("both zero never believed", "known.rs", "now.saturating_duration_since(since) >= ZEROS_BELIEVED_AFTER", "false"),
    ("low battery cannot have zeros", "known.rs", "        if low {", "        if false {"),
    ("negative charge is data", "known.rs", "(0.0..=120.0).contains(v)", "(-10.0..=120.0).contains(v)"),
    ("zero volts always mean a dead line", "known.rs", "self.shows_line_volts && self", "self"),
    ("complaints every time", "known.rs", "due.then_some(what)", "Some(what)"),
    ("remote order ignores the latch", "shutdown.rs", "if ordered && self.latch == Latch::Armed {", "if ordered {"),
    ("nologin though disabled", "shutdown.rs", "if self.settings.no_logon != NoLogon::Disable {", "if true {"),
    ("no nologin at shutdown", "shutdown.rs", "if self.settings.no_logon != NoLogon::Disable {", "if false {"),
    ("no powerfail flag", "shutdown.rs", "        self.order(Order::CreatePowerfail);", ""),
    ("failed shutdown taken for done", "shutdown.rs", "if report == HookReport::ShutdownFailed {", "if false {"),
    ("kill before the shutdown is under way", "shutdown.rs", "&& closed.progress == Progress::UnderWay", ""),
    ("kill on mains", "shutdown.rs", "&& matches!(self.line, Line::Battery(_))\n            && self.candidate", "&& self.candidate"),
    ("kill to a silent UPS", "shutdown.rs", "&& self.comm.silent_since().is_none()", ""),
    ("kill by a slave", "shutdown.rs", "let asked = !settings.slave &&", "let asked ="),
    ("kill is not repeated", "shutdown.rs", "            closed.kill_at = next;", "            closed.kill_at = None;"),
    ("failed kill is not repeated", "shutdown.rs", "closed.kill_at = closed.kill_at.or(again);", ""),
    ("exit before kill", "shutdown.rs", "if at_once && !slave { KILL_AGAIN }", "if false { KILL_AGAIN }"),
    ("exit though the shutdown failed", "shutdown.rs", "            closed.kill_at = None;\n            self.exit_at = None;", "            closed.kill_at = None;"),
    ("remote taken back still shuts down", "shutdown.rs", "Some(Closed { cause: Cause::Remote, .. }) => self.remote,", "Some(Closed { cause: Cause::Remote, .. }) => true,"),
    ("remote taken back leaves the latch closed", "shutdown.rs", "if closed.cause == Cause::Remote && !self.remote && self.on_battery_since().is_some() {", "if false {"),
    ("armed at once", "latch.rs", "pub(super) const FOR_GOOD: Duration = Duration::from_secs(60);", "pub(super) const FOR_GOOD: Duration = Duration::from_secs(1);"),
    ("flag removed before the shutdown had its time", "shutdown.rs", "Some(self.mains_for_good_at()?.max(at.checked_add(self.settings.shutdown_grace)?))", "self.mains_for_good_at()"),
    ("armed while a remote order stands", "shutdown.rs", "Line::Mains(mains) if !self.remote =>", "Line::Mains(mains) =>"),
    ("silent about being unguarded", "shutdown.rs", "&& !under_way {", "&& under_way {"),
    ("slaves are not asked for", "slaves.rs", "if self.slaves_until().is_some_and(|until| until > self.now) {", "if false {"),
    ("slaves are waited for in an emergency", "slaves.rs", "self.emergency.first().is_some() || self.comm", "self.comm"),
    ("slaves are waited for in silence", "slaves.rs", "self.comm.silent_since().is_some() || (low", "(low"),
    ("slaves are waited for with a battery run low", "slaves.rs", "|| (low && !waiting.low)", ""),
    ("slaves take the last of the battery", "slaves.rs", "pub(super) const RESERVE: Duration = Duration::from_secs(90);", "pub(super) const RESERVE: Duration = Duration::from_secs(0);"),
    ("a low battery gives slaves all the time", "slaves.rs", "None if low => from.checked_add(LOW_BATTERY)?,", "None if low => until,"),
    ("slaves get no lead", "slaves.rs", "Some(0) => from.checked_add(lead)?,", "Some(0) => *from,"),
    ("a restart starts the waiting over", "slaves.rs", "self.decided_before().unwrap_or(self.now)", "self.now"),
    ("an old decision counts", "slaves.rs", "const SAME: Duration = Duration::from_secs(600);", "const SAME: Duration = Duration::from_secs(60000);"),
    ("who is gone is waited for", "slaves.rs", "let gone = waiting.present == Some(0);", "let gone = false;"),
    ("an old report ends the waiting", "shutdown.rs", "self.latch.closed_mut().filter(|c| !matches!(c.progress, Progress::Waiting(_)))", "self.latch.closed_mut().filter(|_| true)"),
    ("armed while slaves are waited for", "shutdown.rs", "let closed = self.latch.closed().filter(|c| !matches!(c.progress, Progress::Waiting(_)))?;", "let closed = self.latch.closed()?;"),
    ("armed right after a late shutdown", "shutdown.rs", "Some(at) => at.checked_add(FOR_GOOD)?,", "Some(_) => closed.decided,"),
    ("failed shutdown waits the whole grace", "latch.rs", "Some(at.checked_add(TRY_AGAIN)?.min(patience))", "Some(patience)"),
    ("no least grace", "latch.rs", "grace.max(SHORTEST)", "grace"),
    ("limits do not wait for a doubt", "timers.rs", "limits::earliest(&view).map(|at| self.not_in_doubt(at))", "limits::earliest(&view)"),
    ("limits fire with the latch closed", "timers.rs", "self.limits_view().filter(|_| self.latch == Latch::Armed)", "self.limits_view().filter(|_| true)"),
    ("shutdown is ordered once only", "timers.rs", "self.latch.closed().filter(|_| self.still_wanted())?;", "self.latch.closed().filter(|_| false)?;"),
    ("shutdown again on mains", "timers.rs", "self.latch.closed().filter(|_| self.still_wanted())?;", "self.latch.closed()?;"),
    ("onbattery as late as the loop", "timers.rs", "outage.counted_from = scheduled.min(at);", "outage.counted_from = self.now;"),
    ("TIMEOUT counts from powerout", "timers.rs", "outage.counted_from = scheduled.min(at);", ""),
    ("onbattery repeats", "timers.rs", "self.outage().filter(|outage| !outage.announced)?;", "self.outage()?;"),
    ("onbattery from hearsay", "timers.rs", "outage.counted_from.checked_add(settings.on_battery_delay).map(|at| outage.not_before(at))", "outage.counted_from.checked_add(settings.on_battery_delay)"),
    ("nologin on a blip", "timers.rs", "NoLogon::Always => outage.announced.then_some(outage.counted_from),", "NoLogon::Always => Some(outage.counted_from),"),
    ("annoyme without nologin", "timers.rs", "self.outage().filter(|_| self.no_login && self.latch == Latch::Armed)?;", "self.outage().filter(|_| self.latch == Latch::Armed)?;"),
    ("annoyme during a shutdown", "timers.rs", "self.outage().filter(|_| self.no_login && self.latch == Latch::Armed)?;", "self.outage().filter(|_| self.no_login)?;"),
    ("start gets no minute", "timers.rs", "if settings.slave { settings.comm_lost_delay } else { FIRST_CONTACT }", "settings.comm_lost_delay"),
    ("silence is not mentioned again", "timers.rs", "said_at.checked_add(SAY_AGAIN)", "said_at.checked_add(SAY_AGAIN * 99)"),
    ("calibration out of sight stays one", "timers.rs", "                self.test_is_an_outage(at);", ""),
    ("self test without end", "timers.rs", "Line::Test(test) => Some(test.until),", "Line::Test(_) => None,"),
    ("result awaited for ever", "timers.rs", "mains.ended_test.and_then(|_| mains.since.checked_add(RESULT_WAIT))", "None"),
    ("cause awaited for ever", "timers.rs", "confirmed.checked_add(CAUSE_WAIT)", "confirmed.checked_add(CAUSE_WAIT * 9999)"),
    ("nologin stays after a remote order", "timers.rs", "if self.outage().is_none() && self.no_login {", "if false {"),
    ("threshold equals the limit", "timers.rs", "if more > limit { more } else { limit + 1.0 }", "limit"),
    ("slow on battery", "machine.rs", "let fast = self.on_battery_since().is_some()\n            ||", "let fast ="),
    ("slow in doubt", "machine.rs", "            || self.candidate.is_some()\n", ""),
    ("saved every time", "machine.rs", "if state != self.saved {", "if true {"),
    ("resume keeps half an agreement", "machine.rs", "        self.candidate = None;\n        self.look_again();", "        self.look_again();"),
    ("resume does not look again", "machine.rs", "        self.candidate = None;\n        self.look_again();", "        self.candidate = None;"),
    ("a daemon that was held up does not look again", "machine.rs", "if late && self.held_up.is_none()", "if false && self.held_up.is_none()"),
    ("a daemon held up again and again never decides", "machine.rs", "if late && self.held_up.is_none()", "if late"),
    ("nothing waits after a hold-up", "timers.rs", "until.into_iter().chain(seen)", "until.into_iter()"),
    ("a reading from before a hold-up counts", "transitions.rs", "self.held_up.filter(|since| *since == now)", "None"),
    ("a reading after a hold-up is not heeded", "transitions.rs", "self.held_up = self.held_up.filter(|since| *since == now);", ""),
    ("power is told off after a hold-up", "shutdown.rs", "filter(|_| ready).map(|at| self.not_in_doubt(at))", "filter(|_| ready)"),
    ("resume does not poll", "machine.rs", "        self.order(Order::Command(Command::Poll));", ""),
    ("flag of an outage taken for stale", "machine.rs", ".then_some(saved.on_battery_since.map_or(Flag::Stale, |_| Flag::Created(now))),", ".then_some(Flag::Stale),"),
    ("time goes back", "machine.rs", "self.now = self.now.max(now);", "self.now = now;"),
]


def run(*command):
    env = dict(os.environ, CARGO_TARGET_DIR=os.path.join(WORK, "target"), RUST_BACKTRACE="0", PROPTEST_CASES="64")
    env["MAINSD_POWER_STEPS"] = "60000"
    return subprocess.run(command, cwd=os.path.join(WORK, "tree"), env=env, capture_output=True, text=True, check=False,
                          preexec_fn=bounded)


def bounded():
    """A broken guard may make a test go on for ever: that is a failure too, not the end of this machine's memory."""
    resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
    resource.setrlimit(resource.RLIMIT_CPU, (600, 600))


def tests():
    """None if all pass, else what failed first."""
    for command in (["--lib", "power::"], ["--test", "power_properties"]):
        result = run("cargo", "test", "--quiet", *command)
        if result.returncode != 0:
            if "error: could not compile" in result.stderr:
                return "does not compile"
            failed = [line.strip() for line in result.stdout.splitlines() if line.startswith("    ") and "::" in line
                      or line.startswith("    ") and "_" in line and " " not in line.strip()]
            return failed[0] if failed else "a test"
    return None


def main():
    part = sys.argv[1] if len(sys.argv) > 1 else ""
    tree = os.path.join(WORK, "tree")
    shutil.rmtree(tree, ignore_errors=True)
    os.makedirs(WORK, exist_ok=True)
    # New times of change: cargo would take what the last run left built, a mutation, for what is copied here.
    ignore = shutil.ignore_patterns("target", ".git", "fuzz")
    shutil.copytree(TOP, tree, ignore=ignore, copy_function=shutil.copy)
    if tests() is not None:
        sys.exit("the tests fail without any mutation")
    survived = 0
    for name, file, old, new in MUTATIONS:
        if part not in name:
            continue
        path = os.path.join(tree, "src", "power", file)
        with open(path, encoding="utf-8") as handle:
            source = handle.read()
        if old not in source:
            print(f"GONE      {name}: {file} has no such text", flush=True)
            survived += 1
            continue
        with open(path, "w", encoding="utf-8") as handle:
            handle.write(source.replace(old, new, 1))
        failed = tests()
        with open(path, "w", encoding="utf-8") as handle:
            handle.write(source)
        if failed is None or failed == "does not compile":
            survived += 1
        words = {None: "SURVIVED ", "does not compile": "BROKEN   "}.get(failed, "caught   ")
        print(f"{words} {name}: {failed}", flush=True)
    print(f"{len(MUTATIONS)} mutations, {survived} survived")
    sys.exit(1 if survived else 0)


if __name__ == "__main__":
    main()
