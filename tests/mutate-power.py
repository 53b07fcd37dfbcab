#!/usr/bin/env python3
"""Breaks each guard of the power machine, and each of the links against noise, in turn and shows that some test fails.

Usage: tests/mutate-power.py [NAME-PART ...]     (all mutations, or those whose name contains one of them)
       tests/mutate-power.py --check             (runs none; says which no longer apply)

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
    ("one sample is an agreement", "supply/debounce.rs", "run.count >= samples.max(1)", "run.count >= samples.min(1)"),
    ("samples a moment apart agree", "supply/debounce.rs", "Duration::from_millis(200)", "Duration::from_millis(0)"),
    ("a disagreeing sample is forgiven", "supply/debounce.rs", "(false, _) => None,", "(false, run) => run,"),
    ("an alert does not shorten agreement", "supply/transitions.rs", "&& self.samples.at_once.take(self.now) {", "&& false {"),
    ("every alert shortens agreement", "supply/transitions.rs", "&& self.samples.at_once.take(self.now) {", "{"),
    ("slaves are remembered without end", "host/slaves.rs", "let room = waiting.slaves.len() < REMEMBERED;", "let room = true;"),
    ("status 0 is data", "supply/transitions.rs", "if !bits.intersects(line_bits) {", "if false {"),
    ("candidate survives a loss", "supply/transitions.rs", "let mains = self.samples.candidate.take()", "let mains = self.samples.candidate"),
    ("transfer stays unannounced in silence", "supply/transitions.rs", "                self.classify();\n                self.master.on_battery", "                self.master.on_battery"),
    ("a master's last word of mains is forgotten", "supply/transitions.rs", "self.outage().is_some() && !mains;", "self.outage().is_some();"),
    ("a master lost on mains shuts down", "supply/mod.rs", "filter(|_| self.master.on_battery && self.settings.slave)", "filter(|_| self.settings.slave)"),
    ("a lost master is not borne", "supply/mod.rs", "since.checked_add(self.settings.net_timeout)", "Some(since)"),
    ("a lost master is borne for ever", "supply/limits.rs", "view.master_lost_at.map(|at| (at, Cause::MasterLost, Basis::Reported))", "None"),
    ("a master that is back still shuts down", "condition.rs", "Cause::MasterLost => self.master_lost,", "Cause::MasterLost => true,"),
    ("commok always", "supply/transitions.rs", "if was.is_lost() {", "if true {"),
    ("commok never", "supply/transitions.rs", "if was.is_lost() {", "if false {"),
    ("changeme for ever", "supply/transitions.rs", "if due && times < CHANGE_ME_TIMES {", "if due {"),
    ("changeme with every reading", "supply/transitions.rs", "(now.saturating_duration_since(at) > CHANGE_ME_AGAIN, times)", "(true, times)"),
    ("an unconfirmed outage is believed at once", "supply/transitions.rs", "unconfirmed.agreed.since(self.settings.confirm_polls).is_some()", "unconfirmed.agreed.since(1).is_some()"),
    ("an unconfirmed outage is never believed", "supply/transitions.rs", "                        outage.unconfirmed = None;", ""),
    ("charge limit excludes equality", "supply/transitions.rs", "charge.value <= limit.0", "charge.value < limit.0"),
    ("runtime limit excludes equality", "supply/transitions.rs", "runtime.value <= limit.0", "runtime.value < limit.0"),
    ("saved outage counts from the restart", "supply/transitions.rs", "let mut outage = Outage::new(since, since, since);", "let mut outage = Outage::new(self.now, self.now, since);"),
    ("kill survives mains", "host/mod.rs", "            decision.kill_at = None;", ""),
    ("no offbattery", "supply/transitions.rs", "if was.announced() {", "if false {"),
    ("orphan offbattery", "supply/transitions.rs", "if was.announced() {", "if true {"),
    ("total is not counted", "supply/transitions.rs", "self.counters.total.saturating_add(now", "self.counters.total.max(now"),
    ("stale powerfail stays", "host/mod.rs", "if self.powerfail == Some(Flag::Stale) {", "if false {"),
    ("stale powerfail removed after one reading", "supply/transitions.rs", "if mains.agreed.since(self.settings.confirm_polls).is_some() {", "if true {"),
    ("cause is not asked for", "supply/transitions.rs", "            self.cause.query = Query::Idle;\n            self.ask_cause();", "            self.cause.query = Query::Idle;"),
    ("a cause that came with the alert is asked for again", "supply/transitions.rs", "if on_battery && evidence == Evidence::AlertCauseAndRead {", "if false {"),
    ("a reason for silence is told again", "supply/transitions.rs", "let news = kept.is_empty() && !reason.is_empty();", "let news = !reason.is_empty();"),
    ("old cause believed", "supply/transitions.rs", "(answered && (is_news || agrees))", "answered"),
    ("failed cause query waits", "supply/transitions.rs", "                self.cause.query = Query::Idle;\n                self.classify();", "                self.cause.query = Query::Idle;"),
    ("nologin removed while in force", "host/mod.rs", "if !self.no_login || open {", "if true {"),
    ("nologin of a main process before stays", "host/mod.rs", "if !self.no_login || open {", "if !self.no_login {"),
    ("dead line is no outage", "supply/selftest.rs", "if (calibration || self_test || with_mains) && !dead {", "if calibration || self_test || with_mains {"),
    ("self test is an outage", "supply/selftest.rs", "let self_test = cause.from(since).shows() ||", "let self_test = false && cause.says ||"),
    ("transfers are not counted", "supply/selftest.rs", "self.counters.transfers.saturating_add(1)", "self.counters.transfers.saturating_add(0)"),
    ("calibration stays a self test", "supply/selftest.rs", "if calibrates.shows() && !test.calibration {", "if false {"),
    ("calibration not bounded by charge", "supply/selftest.rs", "let low = long && charge.value < CALIBRATION_CHARGE;", "let low = false;"),
    ("other cause does not refute", "supply/selftest.rs", "let other = other && known.cause_changed_after(since);", "let other = false;"),
    ("dead line does not refute", "supply/selftest.rs", "        test.refuted.line_dead.note(known.line_is_dead().from(since));\n", ""),
    ("one sample refutes", "supply/selftest.rs", "if let Some(reason) = test.refuted.reason(n) {", "if let Some(reason) = test.refuted.reason(1) {"),
    ("dropped bit gets no time", "supply/selftest.rs", "test.until = by_start.map_or(ending, |at| at.max(ending));", "test.until = by_start.unwrap_or(now);"),
    ("dropped bit is ignored", "supply/selftest.rs", "let calibration_over = test.calibration_over.since(n).is_some();", "let calibration_over = false;"),
    ("cause is not asked again", "supply/selftest.rs", "} else if !test.calibration && now.saturating_duration_since(test.asked) >= ASK_AGAIN {", "} else if false {"),
    ("a test twice in an outage", "supply/selftest.rs", "let Line::Battery(Outage { since, tested: false, .. }) = self.line", "let Line::Battery(Outage { since, .. }) = self.line"),
    ("no calibration after all", "supply/selftest.rs", "is(outage.after_all.calibration)]", "false]"),
    ("result in progress is told", "supply/selftest.rs", "Some(said) if said.value == SelfTestResult::InProgress => {", "Some(said) if false && said.value == SelfTestResult::InProgress => {"),
    ("limit order: charge before timeout", "supply/limits.rs", "        a,\n        b,\n        c,", "        c,\n        b,\n        a,"),
    ("no debounce", "supply/limits.rs", "pub(super) const DEBOUNCE: Duration = Duration::from_secs(5);", "pub(super) const DEBOUNCE: Duration = Duration::from_secs(0);"),
    ("long debounce", "supply/limits.rs", "pub(super) const DEBOUNCE: Duration = Duration::from_secs(5);", "pub(super) const DEBOUNCE: Duration = Duration::from_secs(15);"),
    ("emergency by one sample", "supply/low_battery.rs", "self.emergency.since(settings.confirm_polls)?", "self.emergency.since(1)?"),
    ("low battery not latched in silence", "supply/low_battery.rs", "        self.flag.first()?;\n", "        self.flag.first().filter(|_| false)?;\n"),
    ("no projected charge", "supply/limits.rs", "let limit = view.settings.battery_level?.0;", "let limit = view.settings.battery_level.filter(|_| false)?.0;"),
    ("no rate from the fall", "supply/limits.rs", "if fallen <= 0.0 || over <= 0.0 {", "if true {"),
    ("no projected runtime", "supply/limits.rs", "let last = runtime?;", "let last = runtime.filter(|_| false)?;"),
    ("no reserve", "supply/limits.rs", "None if view.silent_since.is_some() =>", "None if false =>"),
    ("reserve though the UPS answers", "supply/limits.rs", "None if view.silent_since.is_some() =>", "None if true =>"),
    ("one odd value is projected", "supply/limits.rs", "before.min(last.checked_add(UNSUPPORTED_SAMPLE_WAIT).unwrap_or(last)).max(last)", "before.min(last)"),
    ("an odd value is never believed", "supply/limits.rs", "before.min(last.checked_add(UNSUPPORTED_SAMPLE_WAIT).unwrap_or(last)).max(last)", "before.max(last)"),
    ("a value of before the outage bears out", "supply/limits.rs", "before.filter(|aged| aged.at >= view.outage.since)", "before"),
    ("fresh values are projected", "supply/limits.rs", "from.checked_add(span.max(STALE_AGE))", "from.checked_add(span)"),
    ("never blind", "supply/limits.rs", "view.silent_since.filter(|_| hopeless)", "view.silent_since.filter(|_| false)"),
    ("blind though TIMEOUT is set", "supply/limits.rs", "let hopeless = timeout.is_none() &&", "let hopeless = true || timeout.is_none() &&"),
    ("limits of an unconfirmed outage at once", "supply/limits.rs", "(outage.not_before(at), cause, grounds)", "(at, cause, grounds)"),
    ("zero charge with long runtime", "supply/measurements.rs", "charge.filter(|v| *v > 0.0 || !long)", "charge"),
    ("zero runtime with high charge", "supply/measurements.rs", "runtime.filter(|v| *v > 0.0 || near_end)", "runtime"),
    ("zero runtime never", "supply/measurements.rs", "runtime.filter(|v| *v > 0.0 || near_end)", "runtime.filter(|v| *v > 0.0)"),
    ("65535 seconds is a runtime", "supply/measurements.rs", "(v - UNKNOWN_RUNTIME_MINUTES).abs() > 0.01", "true || (v - UNKNOWN_RUNTIME_MINUTES).abs() > 0.01"),
    ("both zero believed at once", "supply/measurements.rs", "at.saturating_duration_since(since) >= ZEROS_BELIEVED_AFTER", "true"),
    ("both zero never believed", "supply/measurements.rs", "at.saturating_duration_since(since) >= ZEROS_BELIEVED_AFTER", "false"),
    ("low battery cannot have zeros", "supply/measurements.rs", "        if low {", "        if false {"),
    ("negative charge is data", "supply/measurements.rs", "(0.0..=120.0).contains(v)", "(-10.0..=120.0).contains(v)"),
    ("zero volts always mean a dead line", "supply/measurements.rs", "let dead = self.shows_line_volts && volts", "let dead = volts"),
    ("complaints every time", "supply/measurements.rs", "due.then_some(what)", "Some(what)"),
    ("one word of a master's shutdown is believed", "host/remote.rs", "if at_once || again {", "if true {"),
    ("two words of a moment are two", "host/remote.rs", "now.saturating_duration_since(said) >= SAME_WORD_WINDOW", "true"),
    ("a master's shutdown taken back counts on", "host/remote.rs", "            (self.said, self.ask_at) = (None, None);\n            return false;", "            return false;"),
    ("a master's last word is not believed", "host/remote.rs", "self.said?.checked_add(SILENCE_CONFIRMS_AFTER)", "None"),
    ("a master is not asked about its shutdown again", "host/remote.rs", "        self.ask_at\n", "        None\n"),
    ("remote order ignores a decision", "host/shutdown.rs", "if self.remote.stands() && self.shutdown == ShutdownState::Idle {", "if self.remote.stands() {"),
    ("nologin though disabled", "host/shutdown.rs", "if self.settings.no_logon != NoLogon::Disable {", "if true {"),
    ("no nologin at shutdown", "host/shutdown.rs", "if self.settings.no_logon != NoLogon::Disable {", "if false {"),
    ("no powerfail flag", "host/shutdown.rs", "        self.order(Order::CreatePowerfail);", ""),
    ("failed shutdown taken for done", "host/shutdown.rs", "if report == HookReport::ShutdownFailed {", "if false {"),
    ("kill before the shutdown is under way", "host/shutdown.rs", "&& decision.progress == Progress::UnderWay", ""),
    ("kill on mains", "host/shutdown.rs", "            && supply.outage.is_some()\n", ""),
    ("kill to a silent UPS", "host/shutdown.rs", "            && !supply.silent\n            && !decision.is_before(supply);", ";"),
    ("kill by a slave", "host/shutdown.rs", "let asked = !settings.slave &&", "let asked ="),
    ("kill is not repeated", "host/shutdown.rs", "            decision.kill_at = next;", "            decision.kill_at = None;"),
    ("failed kill is not repeated", "host/shutdown.rs", "decision.kill_at = decision.kill_at.or(again);", ""),
    ("exit before kill", "host/shutdown.rs", "if at_once && !slave { KILL_AGAIN }", "if false { KILL_AGAIN }"),
    ("exit though the shutdown failed", "host/shutdown.rs", "            decision.kill_at = None;\n            self.exit_at = None;", "            decision.kill_at = None;"),
    ("remote taken back still shuts down", "condition.rs", "Cause::Remote | Cause::Operator => false,", "Cause::Remote => true, Cause::Operator => false,"),
    ("remote taken back leaves the decision", "host/shutdown.rs", "if decision.cause == Cause::Remote && !self.remote.stands() && supply.on_battery_since.is_some() {", "if false {"),
    ("armed at once", "host/shutdown_state.rs", "pub(super) const MAINS_STABLE: Duration = Duration::from_secs(60);", "pub(super) const MAINS_STABLE: Duration = Duration::from_secs(1);"),
    ("flag removed before the shutdown had its time", "host/shutdown.rs", "Some(self.mains_for_good_at(supply)?.max(at.checked_add(self.settings.shutdown_grace)?))", "Some(at).and(self.mains_for_good_at(supply))"),
    ("armed while a remote order stands", "host/shutdown.rs", "supply.mains_since.filter(|_| !self.remote.stands())?", "supply.mains_since?"),
    ("silent about being unguarded", "host/shutdown.rs", "&& !supply.tests && !under_way {", "&& !supply.tests && under_way {"),
    ("slaves are not asked for", "host/slaves.rs", "if self.slaves_until(supply).is_some_and(|until| until > self.now) {", "if false {"),
    ("slaves are waited for in an emergency", "host/slaves.rs", "supply.emergency || supply.silent ||", "supply.silent ||"),
    ("slaves are waited for in silence", "host/slaves.rs", "supply.emergency || supply.silent ||", "supply.emergency ||"),
    ("slaves are waited for with a battery run low", "host/slaves.rs", " || (supply.low && !waiting.low)", ""),
    ("slaves take the last of the battery", "host/slaves.rs", "pub(super) const RESERVE: Duration = Duration::from_secs(90);", "pub(super) const RESERVE: Duration = Duration::from_secs(0);"),
    ("a low battery gives slaves all the time", "host/slaves.rs", "None if supply.low => from.checked_add(LOW_BATTERY)?,", "None if supply.low => until,"),
    ("slaves get no lead", "host/slaves.rs", "Some(0) => from.checked_add(lead)?,", "Some(0) => *from,"),
    ("a restart starts the waiting over", "host/slaves.rs", "self.restored_decision_at(supply).unwrap_or(self.now)", "self.now"),
    ("an old decision counts", "host/slaves.rs", "const SAME_DECISION_WINDOW: Duration = Duration::from_secs(600);", "const SAME_DECISION_WINDOW: Duration = Duration::from_secs(60000);"),
    ("who is gone is waited for", "host/slaves.rs", "let gone = waiting.present == Some(0);", "let gone = false;"),
    ("an old report ends the waiting", "host/shutdown.rs", "self.shutdown.decision_mut().filter(|c| !matches!(c.progress, Progress::Waiting(_)))", "self.shutdown.decision_mut().filter(|_| true)"),
    ("armed while slaves are waited for", "host/shutdown.rs", "let decision = self.shutdown.decision().filter(|c| !matches!(c.progress, Progress::Waiting(_)))?;", "let decision = self.shutdown.decision()?;"),
    ("armed right after a late shutdown", "host/shutdown.rs", "Some(at) => at.checked_add(MAINS_STABLE)?,", "Some(_) => decision.decided,"),
    ("failed shutdown waits the whole grace", "host/shutdown_state.rs", "Some(at.checked_add(TRY_AGAIN)?.min(timeout))", "Some(timeout)"),
    ("no least grace", "host/shutdown_state.rs", "grace.max(SHORTEST)", "grace"),
    ("limits do not wait for a doubt", "supply/timers.rs", "limits::earliest(&view).map(|at| self.defer_while_ambiguous(at))", "limits::earliest(&view)"),
    ("limits fire once it is decided", "supply/timers.rs", "self.limits_view().filter(|_| !decided)", "self.limits_view().filter(|_| true)"),
    ("shutdown is ordered once only", "host/timers.rs", "self.shutdown.decision().filter(|_| self.still_wanted(supply))?;", "self.shutdown.decision().filter(|_| false)?;"),
    ("shutdown again on mains", "host/timers.rs", "self.shutdown.decision().filter(|_| self.still_wanted(supply))?;", "self.shutdown.decision()?;"),
    ("onbattery as late as the loop", "supply/timers.rs", "outage.counted_from = scheduled.min(at);", "outage.counted_from = self.now;"),
    ("TIMEOUT counts from powerout", "supply/timers.rs", "outage.counted_from = scheduled.min(at);", ""),
    ("onbattery repeats", "supply/timers.rs", "self.outage().filter(|outage| !outage.announced)?;", "self.outage()?;"),
    ("onbattery from an unconfirmed outage", "supply/timers.rs", "outage.counted_from.checked_add(settings.on_battery_delay).map(|at| outage.not_before(at))", "outage.counted_from.checked_add(settings.on_battery_delay)"),
    ("nologin on a blip", "supply/timers.rs", "NoLogon::Always => outage.announced.then_some(outage.counted_from),", "NoLogon::Always => Some(outage.counted_from),"),
    ("annoyme without nologin", "host/timers.rs", "supply.outage.filter(|_| self.no_login && self.shutdown == ShutdownState::Idle)?;", "supply.outage.filter(|_| self.shutdown == ShutdownState::Idle)?;"),
    ("annoyme during a shutdown", "host/timers.rs", "supply.outage.filter(|_| self.no_login && self.shutdown == ShutdownState::Idle)?;", "supply.outage.filter(|_| self.no_login)?;"),
    ("start gets no minute", "supply/timers.rs", "if settings.slave { settings.comm_lost_delay } else { FIRST_CONTACT }", "settings.comm_lost_delay"),
    ("silence is not mentioned again", "supply/timers.rs", "said_at.checked_add(SAY_AGAIN)", "said_at.checked_add(SAY_AGAIN * 99)"),
    ("calibration out of sight stays one", "supply/timers.rs", '                self.test_is_an_outage(at, "the UPS is silent");', ""),
    ("self test without end", "supply/timers.rs", "Line::Test(test) => Some(test.until),", "Line::Test(_) => None,"),
    ("result awaited for ever", "supply/timers.rs", "mains.ended_test.and_then(|_| mains.since.checked_add(RESULT_WAIT))", "None"),
    ("cause awaited for ever", "supply/timers.rs", "confirmed.checked_add(CAUSE_WAIT)", "confirmed.checked_add(CAUSE_WAIT * 9999)"),
    ("nologin stays after a remote order", "host/timers.rs", "if supply.outage.is_none() && self.no_login {", "if false {"),
    ("threshold equals the limit", "supply/timers.rs", "if more > limit { more } else { limit + 1.0 }", "limit"),
    ("slow on battery", "supply/mod.rs", "let fast = self.on_battery_since().is_some()\n            ||", "let fast ="),
    ("slow in doubt", "supply/mod.rs", "            || self.samples.candidate.is_some()\n", ""),
    ("saved every time", "host/mod.rs", "if state != self.saved {", "if true {"),
    ("resume keeps half an agreement", "supply/mod.rs", "        self.samples.candidate = None;\n        self.look_again();", "        self.look_again();"),
    ("resume does not look again", "supply/mod.rs", "        self.samples.candidate = None;\n        self.look_again();", "        self.samples.candidate = None;"),
    ("a daemon that was held up does not look again", "supply/mod.rs", "if held_up && self.samples.held_up.is_none()", "if false && self.samples.held_up.is_none()"),
    ("a daemon held up again and again never decides", "supply/mod.rs", "if held_up && self.samples.held_up.is_none()", "if held_up"),
    ("nothing waits after a hold-up", "supply/timers.rs", "until.into_iter().chain(seen)", "until.into_iter()"),
    ("a sample from before a hold-up counts", "supply/transitions.rs", "self.samples.held_up.filter(|since| line_at <= Some(*since))", "None"),
    ("a sample after a hold-up is not heeded", "supply/transitions.rs", "self.samples.held_up = self.samples.held_up.filter(|since| line_at <= Some(*since));", ""),
    ("power is killed after a hold-up", "host/shutdown.rs", "filter(|_| ready).map(|at| supply.defer_while_ambiguous(at))", "filter(|_| ready)"),
    ("resume does not poll", "supply/mod.rs", "        self.order(Order::Command(Command::Poll));", ""),
    ("flag of an outage taken for stale", "host/mod.rs", "saved.on_battery_since.map_or(Flag::Stale, |_| Flag::Created(now))", "Flag::Stale"),
    ("the outage of another UPS goes on", "supply/other_ups.rs", "        self.line = Line::Unknown;\n", ""),
    ("the outage of another UPS is not known as that", "supply/transitions.rs", "        outage.taken_over = true;\n", ""),
    ("the calibration of another UPS goes on", "supply/outage.rs", "Self::Test(test) => test.announced_as.as_ref().is_some_and(|outage| outage.taken_over),", "Self::Test(_) => false,"),
    ("after a calibration the outage of another UPS goes on", "supply/selftest.rs", "        outage.taken_over = self.line.is_taken_over();\n", ""),
    ("counters of another UPS stay", "supply/other_ups.rs", "..Counters::default()", "..self.counters"),
    ("own transfers are forgotten with another UPS", "supply/other_ups.rs", "transfers: u32::from(counted),", "transfers: 0,"),
    ("own outages are dropped with those of another UPS", "supply/other_ups.rs", "        if taken_over {\n            self.line", "        if true {\n            self.line"),
    ("a shutdown for another UPS stays decided", "host/mod.rs", "            self.shutdown = ShutdownState::Idle;\n", ""),
    ("leaves after a shutdown for another UPS", "host/mod.rs", "            self.exit_at = None;\n", ""),
    ("a remote order is dropped with another UPS", "host/mod.rs", "if !matches!(cause, Cause::Remote | Cause::Operator)", "if true || !matches!(cause, Cause::Remote | Cause::Operator)"),
    ("a remote order is lost with another UPS", "host/mod.rs", "            self.carry_out_remote(supply, remote);\n", ""),
    ("nologin for another UPS stays", "host/mod.rs", "            if self.no_login {", "            if false {"),
    ("a decision for another UPS is remembered", "host/mod.rs", "        self.restored_decision_at = None;\n", ""),
    ("after another UPS nobody looks soon", "supply/other_ups.rs", "        self.order(Order::Command(Command::Poll));\n", ""),
    ("time goes back", "machine.rs", "        let now = now.max(self.supply.now);\n", ""),
    # Evidence by samples.
    ("a copy agrees", "supply/debounce.rs", "at < last || (at == last && sample.says == said);", "at < last;"),
    ("an older sample counts", "supply/debounce.rs", "at < last || (at == last && sample.says == said);", "at == last && sample.says == said;"),
    ("what has no time agrees", "supply/debounce.rs", "let Some(at) = sample.at else { return };", "let Some(at) = sample.at.or(self.last.map(|(at, _)| at + APART)) else { return };"),
    ("an ended streak forgets what it saw", "supply/debounce.rs", "        self.run = None;\n", "        *self = Self::NONE;\n"),
    ("a changed fact forgets what it saw", "supply/debounce.rs", "Debounce { last: sample.at.map(|at| (at, false)), run: None }", "Debounce::NONE"),
    ("together as young as the younger", "supply/debounce.rs", "(true, true) => self.at.min(other.at),", "(true, true) => self.at.max(other.at),"),
    ("a copy of the line counts", "supply/transitions.rs", "if self.samples.last.is_some_and(copy) {", "if false {"),
    ("a copy of the line has a new time", "supply/transitions.rs", "let line_at = read.of(Item::Line);", "let line_at = Some(now);"),
    ("a low battery is as old as its reading", "supply/transitions.rs", "let low = flag(StatusFlags::BATTLOW, Item::LowBattery);", "let low = Sample::new(low, Some(now));"),
    ("a battery is as old as its reading", "supply/transitions.rs", "flag(StatusFlags::BATTPRESENT, Item::BatteryPresent)", "flag(StatusFlags::BATTPRESENT, Item::Line)"),
    ("replace battery is as old as its reading", "supply/transitions.rs", "flag(StatusFlags::REPLACEBATT, Item::ReplaceBattery)", "Sample::new(bits.contains(StatusFlags::REPLACEBATT), Some(now))"),
    ("a charge is as old as its reading", "supply/measurements.rs", "keep_newer(&mut self.charge, charge_before, taken.charge.data(), times[0]);", "keep_newer(&mut self.charge, charge_before, taken.charge.data(), Some(now));"),
    ("a runtime is as old as its reading", "supply/measurements.rs", "keep_newer(&mut self.runtime, runtime_before, taken.runtime.data(), times[1]);", "keep_newer(&mut self.runtime, runtime_before, taken.runtime.data(), Some(now));"),
    ("a charge that fell far is shown at once", "supply/measurements.rs", "(last.value < before.value - SUDDEN_FALL_PERCENT).then_some(before.value)", "None"),
    ("a charge that cannot be is shown", "supply/measurements.rs", "if taken.charge == Verdict::Implausible {\n            shown", "if false {\n            shown"),
    ("a runtime that cannot be is shown", "supply/measurements.rs", "if taken.runtime == Verdict::Implausible {\n            shown", "if false {\n            shown"),
    ("an older value replaces a newer", "supply/measurements.rs", "kept.is_none_or(|kept| at >= kept.at && kept != new)", "kept.is_none_or(|kept| kept != new)"),
    ("a line voltage is as old as its reading", "supply/measurements.rs", "keep_newer(&mut self.line_volts, &mut None, Some(volts), read.of(Item::LineVoltage));", "keep_newer(&mut self.line_volts, &mut None, Some(volts), Some(now));"),
    ("a value of before the outage counts", "supply/transitions.rs", "self.known.charge.filter(|charge| charge.at >= outage.values_from)", "self.known.charge"),
    ("a runtime of before the outage counts", "supply/transitions.rs", "self.known.runtime.filter(|runtime| runtime.at >= outage.values_from)", "self.known.runtime"),
    ("a clock that goes back makes old samples", "machine.rs", "let read = reading.read.moved(now, self.supply.now);", "let read = reading.read;"),
    ("a question is answered by an older sample", "supply/outage.rs", "Self::Asked { at, read } => *read |= sample >= Some(*at),", "Self::Asked { read, .. } => *read |= sample.is_some(),"),
    # Causes and long self tests.
    ("a cause that is no news is not asked for again", "supply/transitions.rs", "            self.cause.again_at = self.now.checked_add(CAUSE_PAUSE);", ""),
    ("mains that is gone does not settle the cause", "supply/transitions.rs", "let agrees = gone &&", "let agrees = false &&"),
    ("a self test of before settles the cause", "supply/transitions.rs", "gone && !matches!(cause.value, TransferCause::None | TransferCause::SelfTest);", "gone;"),
    ("a dead line does not settle the cause", "supply/transitions.rs", "if dead || calibrates ||", "if calibrates ||"),
    ("a calibration does not settle the cause", "supply/transitions.rs", "if dead || calibrates ||", "if dead ||"),
    ("a long test does not settle the cause", "supply/transitions.rs", "|| self.long_test_is_said(since) ||", "||"),
    ("a long test has forty seconds", "supply/selftest.rs", "        test.with_mains = true;\n", ""),
    ("a long test needs no mains", "supply/selftest.rs", "test.and(mains).from(from)", "test.from(from)"),
    ("mains alone is a long test", "supply/selftest.rs", "test.and(mains).from(from)", "mains.from(from)"),
    ("a long test of before the transfer counts", "supply/selftest.rs", "test.and(mains).from(from)", "test.and(mains)"),
    ("a test for days is believed", "supply/selftest.rs", "let from = self.known.tests_itself_since()?.min(since);", "let from = since;"),
    ("a long test without end", "supply/selftest.rs", "test.until = test.until.max(until.unwrap_or(test.until));", "test.until = test.until.checked_add(std::time::Duration::from_secs(9_000_000)).unwrap_or(test.until);"),
    ("a test by its words alone has forty seconds", "supply/selftest.rs", ".filter(|_| calibration_over || named)", ""),
    ("a word of mains at first refutes", "supply/selftest.rs", "mains.from(since.checked_add(MAINS_SETTLES).unwrap_or(now)).shows()", "mains.shows()"),
    ("mains gone does not refute", "supply/selftest.rs", "            test.refuted.mains_gone.note(mains.not());", ""),
    ("mains never seen refutes", "supply/selftest.rs", "        if test.mains_seen {", "        if true {"),
    ("a test that is over goes on", "supply/selftest.rs", "let with_mains_over = test.with_mains_over.since(n).is_some();", "let with_mains_over = false;"),
    ("what is not said any more goes on", "supply/selftest.rs", "at: said.at.or(line_at.filter(|_| !said.says)),", "at: said.at,"),
    ("what refutes is not asked for", "supply/selftest.rs", "if test.refuted.in_doubt() && now", "if false && now"),
    ("a long test after all is none", "supply/selftest.rs", "is(outage.after_all.with_mains),", "false,"),
    ("a late cause is none", "supply/selftest.rs", "[is(outage.after_all.cause),", "[false,"),
    ("a late cause by one sample", "supply/selftest.rs", "[is(outage.after_all.cause),", "[outage.after_all.cause.first().is_some(),"),
    ("a late cause after onbattery", "supply/selftest.rs", "possible && unannounced && until[0].is_some()", "possible && until[0].is_some()"),
    ("an old cause is a late one", "supply/selftest.rs", "says: cause.says && self.known.cause_changed_after(after)", "says: cause.says"),
    ("a late cause is not asked for", "supply/selftest.rs", "} else if !outage.announced && (!named || cause.first().is_some()) {", "} else if false {"),
    ("a test after all in a shutdown", "supply/selftest.rs", "let possible = !low && !dead && !decided;", "let possible = !low && !dead;"),
    ("a result in progress is not asked for again", "supply/selftest.rs", "if self.now.saturating_duration_since(said.at) >= ASK_SOON", "if false"),
    # The low battery flag.
    ("confirm counts at once", "supply/low_battery.rs", "Some(self.confirmed_at(settings.confirm_polls, on_battery)?.max(at))", "Some(at)"),
    ("confirm never counts", "supply/low_battery.rs", "Some(self.confirmed_at(settings.confirm_polls, on_battery)?.max(at))", "None"),
    ("ignore counts", "supply/low_battery.rs", "LowBatteryFlag::Ignore => None,", "LowBatteryFlag::Ignore => Some(at),"),
    ("one sample confirms", "supply/low_battery.rs", "let says = self.confirms.since(samples)", "let says = self.confirms.first()"),
    ("standing still is no doubt", "supply/low_battery.rs", "[says, still].into_iter()", "[says, None].into_iter()"),
    ("standing still on mains counts", "supply/low_battery.rs", "since.max(on_battery).checked_add(STANDS_STILL)", "since.checked_add(STANDS_STILL)"),
    ("a value that moves stands still", "supply/low_battery.rs", "if self.value != Some(value) && newer {", "if self.value.is_none() && newer {"),
    ("an unknown value is a witness", "supply/low_battery.rs", "                self.confirms.note(Sample::new(true, line_at));", ""),
    ("an implausible value is a witness", "supply/low_battery.rs", "                self.confirms.note(Sample::new(true, at));\n                self.why = \"is implausible\";", ""),
    ("a limit above fifty does not confirm", "supply/low_battery.rs", "limit.0.max(charge)", "charge"),
    ("zeros with a flag that is not trusted are data", "supply/transitions.rs", "low && trusted, now", "low, now"),
    ("the directive is not named", "supply/text.rs", "if by_flag && low && doubtful && mode == LowBatteryFlag::Ups {", "if false {"),
    ("the directive is named always", "supply/text.rs", "if by_flag && low && doubtful && mode == LowBatteryFlag::Ups {", "if by_flag && low {"),
    ("that the flag is not counted is told again and again", "supply/transitions.rs", "        outage.flag_told = true;", ""),
    # The reason first.
    ("the reason after the hook", "host/shutdown.rs", "self.order(Order::EventWithReason(event, explanation.clone()));", "self.event(event);"),
    ("the reason of silence after the hook", "supply/timers.rs", "Order::EventWithReason(Event::CommFailure, text::no_answer(&reason))", "Order::Event(Event::CommFailure)"),
    # Nothing that a UPS sends keeps it from being asked, and its silence from being told.
    ("silence is a loss after many intervals", "../link/silence.rs", "const INTERVALS: u32 = 3;", "const INTERVALS: u32 = 300;"),
    ("silence is never a loss", "../link/silence.rs", "self.over |= now >= self.until;", "if now >= self.until { self.pause(now); }"),
    ("a program that was stopped loses its UPS", "../link/silence.rs", "if !self.over && now >= self.until + STOPPED_THRESHOLD {", "if false {"),
    ("an unconfirmed change begins the time anew", "../link/silence.rs", "self.until = if unsure {", "self.until = if false {"),
    ("a longer interval is a loss", "../link/silence.rs", "self.until = self.until.max(self.told + longest);", ""),
    ("a slow card's round begins anew before its end", "../link/snmp/conversation.rs", "self.schedule.poll_at <= now && !self.is_in_round()", "self.schedule.poll_at <= now"),
    ("a countdown of 0 is one", "../link/snmp/order.rs", "filter(|left| *left > 0)", "filter(|left| *left >= 0)"),
    ("a value that is heard was missed all the same", "../link/snmp/objects.rs", "known.missed = 0;", "known.missed += 0;"),
    ("the cause is asked at each alert", "../link/apcsmart/session/alerts.rs", "if self.question == Question::None {", "if true {"),
    ("the status byte is asked at each alert", "../link/apcsmart/session/status.rs", "self.read_at.map_or(now, |at| now.max(at + ALERT_PAUSE))", "now"),
    ("alerts hold as long as more come", "../link/apcsmart/session/alerts.rs", "until: before.map_or(now + ALERT_HOLDS, |alerts| alerts.until),", "until: now + ALERT_HOLDS,"),
    ("the EEPROM is read when it no longer changes", "../link/apcsmart/session/plan.rs", "self.again_at.get_or_insert(at);", "self.again_at = Some(at);"),
    ("the status byte waits for POLLTIME", "../link/apcsmart/session/plan.rs", "if self.attach == Attach::Done { STATUS_EVERY }", "if self.attach == Attach::Done { self.intervals.poll() }"),
    ("a status without a line state ends a loss", "../link/apcsmart/session/status.rs", "} else if self.readings.last.is_none() {", "} else if false {"),
    ("a status without a line state tells something", "../link/apcsmart/session/status.rs", "if line != StatusFlags::default() {", "if true {"),
    ("alerts are part of the answer", "../link/apcsmart/mod.rs", "if !matches!(item, Some(Item::Alert(_)))", "if true"),
    ("a serial UPS is never silent", "../link/apcsmart/session.rs", "const SILENT_LEAST: Duration = Duration::from_secs(10);", "const SILENT_LEAST: Duration = Duration::from_secs(10_000);"),
    ("a line that does not hold still is no loss", "../link/dumb/mod.rs", "let silent = open.silence.is_over(now);", "let silent = false;"),
    ("a master that says nothing of its UPS is no loss", "../link/net/mod.rs", "const SILENT_TIMEOUT_MIN: Duration = Duration::from_secs(20);", "const SILENT_TIMEOUT_MIN: Duration = Duration::from_secs(20_000);"),
    ("a USB UPS is never silent", "../link/usb/mod.rs", "const SILENT_LEAST: Duration = Duration::from_secs(15);", "const SILENT_LEAST: Duration = Duration::from_secs(15_000);"),
    ("looks leave no room for the polls", "../link/usb/session/steps.rs", "            self.looks.pause(now);\n", ""),
    ("a network slave kills the power", "kill_power.rs", "(true, _) => Err(NotOurs::Master),", "(true, _) => Ok(Duration::ZERO),"),
    ("a share slave kills the power", "kill_power.rs", "(false, Share::Slave) => Err(NotOurs::ShareMaster),", "(false, Share::Slave) => Ok(Duration::ZERO),"),
    ("-p cuts a simple cable at once", "kill_power.rs", "self.delays_off && self.wait().is_ok()", "self.wait().is_ok()"),
    ("a flag of an earlier boot counts", "kill_power.rs", "if of.len() == now.len() && of != now => Err(FlagDoubt::Old)", "if of.is_empty() && of != now => Err(FlagDoubt::Old)"),
    ("a card's packet needs no right digest", "../link/pcnet/gate.rs", "if !is_equal(sent, &card.secret.sign(&[signed])) {", "if false {"),
    ("a card's packet may be another card's", "../link/pcnet/gate.rs", "_ => Err(Refusal::OtherCard(", "_ if true => Ok(()),\n            _ => Err(Refusal::OtherCard("),
    ("a card's packet may be an old one", "../link/pcnet/gate.rs", "|newest| counters > newest", "|_| true"),
    ("a card that counts anew is believed on battery", "../link/pcnet/gate.rs", "        if !says_mains {\n", "        if false {\n"),
    ("a recording in one second is a card that counts anew", "../link/pcnet/gate.rs", "&& now.saturating_duration_since(anew.since) >= ANEW_SPAN", ""),
    ("a recording beside the card is a card that counts anew", "../link/pcnet/gate.rs", "        self.anew = None;\n        self.newest", "        self.newest"),
    ("one packet of anybody is a proof", "../link/pcnet/gate.rs", "card.is_none() || self.passed < 2", "false"),
    ("a card's one order of anybody shuts down", "../link/pcnet/mod.rs", "if orders && in_doubt && !before {", "if false {"),
    ("packets of anybody beside the first sender", "../link/pcnet/gate.rs", "Some(sender) if sender != from =>", "Some(sender) if false =>"),
    ("what a card says behind its digest counts", "../wire/pcnet/packet.rs", "pairs: lines(signed)", "pairs: lines(bytes)"),
    ("any packet of a card ends its silence", "../link/pcnet/mod.rs", "let status = status.filter(|byte| !line(*byte).is_empty());", "let status = status.or(Some(8));"),
]

POWER_TESTS = ("cargo test --quiet --lib power::", "cargo test --quiet --test pure -- power_properties:: evidence:: self_tests:: runtime_units::")
LINK_TESTS = ("cargo test --quiet --lib link::", "cargo test --quiet --test pure -- liveness:: usb_faults::")


def run(*command):
    env = dict(os.environ, CARGO_TARGET_DIR=os.path.join(WORK, "target"), RUST_BACKTRACE="0", PROPTEST_CASES="64")
    env["MAINSD_POWER_STEPS"] = "60000"
    # What is built here is run once.
    env.update(CARGO_INCREMENTAL="1", CARGO_PROFILE_DEV_DEBUG="0")
    return subprocess.run(command, cwd=os.path.join(WORK, "tree"), env=env, capture_output=True, text=True, check=False,
                          preexec_fn=bounded)


def bounded():
    """A broken guard may make a test go on for ever: that is a failure too, not the end of this machine's memory."""
    resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
    resource.setrlimit(resource.RLIMIT_CPU, (600, 600))


def tests(commands):
    """None if all pass, else what failed first."""
    for command in commands:
        result = run(*command.split())
        if result.returncode != 0:
            if "error: could not compile" in result.stderr:
                return "does not compile"
            failed = [line.strip() for line in result.stdout.splitlines() if line.startswith("    ") and "::" in line
                      or line.startswith("    ") and "_" in line and " " not in line.strip()]
            return failed[0] if failed else "a test"
    return None


def check():
    """Exit status 1 if some mutation no longer applies."""
    gone = 0
    for name, file, old, _ in MUTATIONS:
        with open(os.path.join(TOP, "src", "power", file), encoding="utf-8") as handle:
            if old not in handle.read():
                print(f"GONE      {name}: {file} has no such text")
                gone += 1
    print(f"{len(MUTATIONS)} mutations, {gone} gone")
    sys.exit(1 if gone else 0)


def main():
    if sys.argv[1:] == ["--check"]:
        check()
    parts = sys.argv[1:] or [""]
    tree = os.path.join(WORK, "tree")
    shutil.rmtree(tree, ignore_errors=True)
    os.makedirs(WORK, exist_ok=True)
    # New times of change: cargo would take what the last run left built, a mutation, for what is copied here.
    ignore = shutil.ignore_patterns("target", ".git", "fuzz")
    shutil.copytree(TOP, tree, ignore=ignore, copy_function=shutil.copy)
    if tests(POWER_TESTS + LINK_TESTS) is not None:
        sys.exit("the tests fail without any mutation")
    survived = 0
    for name, file, old, new in MUTATIONS:
        if not any(part in name for part in parts):
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
        failed = tests(LINK_TESTS if file.startswith(("../link/", "../wire/")) else POWER_TESTS)
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
