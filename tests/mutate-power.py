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
    ("one sample is an agreement", "streak.rs", "run.count >= samples.max(1)", "run.count >= samples.min(1)"),
    ("samples a moment apart agree", "streak.rs", "Duration::from_millis(200)", "Duration::from_millis(0)"),
    ("a disagreeing sample is forgiven", "streak.rs", "(false, _) => None,", "(false, run) => run,"),
    ("an alert does not shorten agreement", "transitions.rs", "&& self.at_once.take(self.now) {", "&& false {"),
    ("every alert shortens agreement", "transitions.rs", "&& self.at_once.take(self.now) {", "{"),
    ("slaves are remembered without end", "slaves.rs", "let room = waiting.slaves.len() < REMEMBERED;", "let room = true;"),
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
    ("hearsay believed at once", "transitions.rs", "hearsay.agreed.since(self.settings.confirm_polls).is_some()", "hearsay.agreed.since(1).is_some()"),
    ("hearsay never believed", "transitions.rs", "                        outage.hearsay = None;", ""),
    ("charge limit excludes equality", "transitions.rs", "charge.value <= limit.0", "charge.value < limit.0"),
    ("runtime limit excludes equality", "transitions.rs", "runtime.value <= limit.0", "runtime.value < limit.0"),
    ("saved outage counts from the restart", "transitions.rs", "let mut outage = Outage::new(since, since, since);", "let mut outage = Outage::new(self.now, self.now, since);"),
    ("kill survives mains", "transitions.rs", "            closed.kill_at = None;", ""),
    ("no offbattery", "transitions.rs", "if was.announced() {", "if false {"),
    ("orphan offbattery", "transitions.rs", "if was.announced() {", "if true {"),
    ("total is not counted", "transitions.rs", "self.counters.total.saturating_add(now", "self.counters.total.max(now"),
    ("stale powerfail stays", "transitions.rs", "if self.powerfail == Some(Flag::Stale) {", "if false {"),
    ("stale powerfail removed after one reading", "transitions.rs", "if mains.agreed.since(self.settings.confirm_polls).is_some() {", "if true {"),
    ("cause is not asked for", "transitions.rs", "            self.cause = Query::Idle;\n            self.ask_cause();", "            self.cause = Query::Idle;"),
    ("a cause that came with the alert is asked for again", "transitions.rs", "if on_battery && evidence == Evidence::AlertCauseAndRead {", "if false {"),
    ("a reason for silence is told again", "transitions.rs", "let news = kept.is_empty() && !reason.is_empty();", "let news = !reason.is_empty();"),
    ("old cause believed", "transitions.rs", "(answered && (is_news || agrees))", "answered"),
    ("failed cause query waits", "transitions.rs", "                self.cause = Query::Idle;\n                self.classify();", "                self.cause = Query::Idle;"),
    ("nologin removed while in force", "transitions.rs", "        if !self.no_login {\n            self.order(Order::RemoveNologin);\n        }", "        self.order(Order::RemoveNologin);"),
    ("dead line is no outage", "selftest.rs", "if (calibration || self_test || with_mains) && !dead {", "if calibration || self_test || with_mains {"),
    ("self test is an outage", "selftest.rs", "let self_test = cause.from(since).shows() ||", "let self_test = false && cause.says ||"),
    ("transfers are not counted", "selftest.rs", "self.counters.transfers.saturating_add(1)", "self.counters.transfers.saturating_add(0)"),
    ("calibration stays a self test", "selftest.rs", "if calibrates.shows() && !test.calibration {", "if false {"),
    ("calibration not bounded by charge", "selftest.rs", "let low = long && charge.value < CALIBRATION_CHARGE;", "let low = false;"),
    ("other cause does not refute", "selftest.rs", "let other = other && known.cause_changed_after(since);", "let other = false;"),
    ("dead line does not refute", "selftest.rs", "        test.refuted.line_dead.note(known.line_is_dead().from(since));\n", ""),
    ("one sample refutes", "selftest.rs", "if let Some(reason) = test.refuted.reason(n) {", "if let Some(reason) = test.refuted.reason(1) {"),
    ("dropped bit gets no time", "selftest.rs", "test.until = by_start.map_or(ending, |at| at.max(ending));", "test.until = by_start.unwrap_or(now);"),
    ("dropped bit is ignored", "selftest.rs", "let calibration_over = test.calibration_over.since(n).is_some();", "let calibration_over = false;"),
    ("cause is not asked again", "selftest.rs", "} else if !test.calibration && now.saturating_duration_since(test.asked) >= ASK_AGAIN {", "} else if false {"),
    ("a test twice in an outage", "selftest.rs", "let Line::Battery(Outage { since, tested: false, .. }) = self.line", "let Line::Battery(Outage { since, .. }) = self.line"),
    ("no calibration after all", "selftest.rs", "is(outage.after_all.calibration)]", "false]"),
    ("result in progress is told", "selftest.rs", "Some(said) if said.value == SelfTestResult::InProgress => {", "Some(said) if false && said.value == SelfTestResult::InProgress => {"),
    ("limit order: charge before timeout", "limits.rs", "        a,\n        b,\n        c,", "        c,\n        b,\n        a,"),
    ("no debounce", "limits.rs", "pub(super) const DEBOUNCE: Duration = Duration::from_secs(5);", "pub(super) const DEBOUNCE: Duration = Duration::from_secs(0);"),
    ("long debounce", "limits.rs", "pub(super) const DEBOUNCE: Duration = Duration::from_secs(5);", "pub(super) const DEBOUNCE: Duration = Duration::from_secs(15);"),
    ("emergency by one sample", "low_battery.rs", "self.emergency.since(settings.confirm_polls)?", "self.emergency.since(1)?"),
    ("low battery not latched in silence", "low_battery.rs", "        self.flag.first()?;\n", "        self.flag.first().filter(|_| false)?;\n"),
    ("no projected charge", "limits.rs", "let limit = view.settings.battery_level?.0;", "let limit = view.settings.battery_level.filter(|_| false)?.0;"),
    ("no rate from the fall", "limits.rs", "if fallen <= 0.0 || over <= 0.0 {", "if true {"),
    ("no projected runtime", "limits.rs", "let last = runtime?;", "let last = runtime.filter(|_| false)?;"),
    ("no reserve", "limits.rs", "None if view.silent_since.is_some() =>", "None if false =>"),
    ("reserve though the UPS answers", "limits.rs", "None if view.silent_since.is_some() =>", "None if true =>"),
    ("one odd value is projected", "limits.rs", "before.min(last.checked_add(ODD).unwrap_or(last)).max(last)", "before.min(last)"),
    ("an odd value is never believed", "limits.rs", "before.min(last.checked_add(ODD).unwrap_or(last)).max(last)", "before.max(last)"),
    ("a value of before the outage bears out", "limits.rs", "before.filter(|aged| aged.at >= view.outage.since)", "before"),
    ("fresh values are projected", "limits.rs", "from.checked_add(span.max(STALE))", "from.checked_add(span)"),
    ("never blind", "limits.rs", "view.silent_since.filter(|_| hopeless)", "view.silent_since.filter(|_| false)"),
    ("blind though TIMEOUT is set", "limits.rs", "let hopeless = timeout.is_none() &&", "let hopeless = true || timeout.is_none() &&"),
    ("hearsay limits at once", "limits.rs", "(outage.not_before(at), cause, grounds)", "(at, cause, grounds)"),
    ("zero charge with long runtime", "known.rs", "charge.filter(|v| *v > 0.0 || !long)", "charge"),
    ("zero runtime with high charge", "known.rs", "runtime.filter(|v| *v > 0.0 || near_end)", "runtime"),
    ("zero runtime never", "known.rs", "runtime.filter(|v| *v > 0.0 || near_end)", "runtime.filter(|v| *v > 0.0)"),
    ("65535 seconds is a runtime", "known.rs", "(v - UNKNOWN_RUNTIME_MINUTES).abs() > 0.01", "true || (v - UNKNOWN_RUNTIME_MINUTES).abs() > 0.01"),
    ("both zero believed at once", "known.rs", "at.saturating_duration_since(since) >= ZEROS_BELIEVED_AFTER", "true"),
    ("both zero never believed", "known.rs", "at.saturating_duration_since(since) >= ZEROS_BELIEVED_AFTER", "false"),
    ("low battery cannot have zeros", "known.rs", "        if low {", "        if false {"),
    ("negative charge is data", "known.rs", "(0.0..=120.0).contains(v)", "(-10.0..=120.0).contains(v)"),
    ("zero volts always mean a dead line", "known.rs", "let dead = self.shows_line_volts && volts", "let dead = volts"),
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
    ("slaves are waited for in an emergency", "slaves.rs", "self.low.is_emergency(&self.settings, on_battery, self.now)", "false"),
    ("slaves are waited for in silence", "slaves.rs", "|| self.comm.silent_since().is_some()", ""),
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
    ("calibration out of sight stays one", "timers.rs", '                self.test_is_an_outage(at, "the UPS is silent");', ""),
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
    ("a sample from before a hold-up counts", "transitions.rs", "self.held_up.filter(|since| line_at <= Some(*since))", "None"),
    ("a sample after a hold-up is not heeded", "transitions.rs", "self.held_up = self.held_up.filter(|since| line_at <= Some(*since));", ""),
    ("power is told off after a hold-up", "shutdown.rs", "filter(|_| ready).map(|at| self.not_in_doubt(at))", "filter(|_| ready)"),
    ("resume does not poll", "machine.rs", "        self.order(Order::Command(Command::Poll));", ""),
    ("flag of an outage taken for stale", "machine.rs", ".then_some(saved.on_battery_since.map_or(Flag::Stale, |_| Flag::Created(now))),", ".then_some(Flag::Stale),"),
    ("the outage of another UPS goes on", "other_ups.rs", "        self.line = Line::Unknown;\n", ""),
    ("the outage of another UPS is not known as that", "transitions.rs", "        outage.taken_over = true;\n", ""),
    ("the calibration of another UPS goes on", "outage.rs", "Self::Test(test) => test.announced_as.as_ref().is_some_and(|outage| outage.taken_over),", "Self::Test(_) => false,"),
    ("after a calibration the outage of another UPS goes on", "selftest.rs", "        outage.taken_over = self.line.is_taken_over();\n", ""),
    ("counters of another UPS stay", "other_ups.rs", "..Counters::default()", "..self.counters"),
    ("own transfers are forgotten with another UPS", "other_ups.rs", "transfers: u32::from(counted),", "transfers: 0,"),
    ("own outages are dropped with those of another UPS", "other_ups.rs", "if !taken_over {", "if false {"),
    ("a shutdown for another UPS stays decided", "other_ups.rs", "            self.latch = Latch::Armed;\n", ""),
    ("leaves after a shutdown for another UPS", "other_ups.rs", "            self.exit_at = None;\n", ""),
    ("a remote order is dropped with another UPS", "other_ups.rs", "if *cause != Cause::Remote", "if true || *cause != Cause::Remote"),
    ("a remote order is lost with another UPS", "other_ups.rs", "            self.remote_order(self.remote);\n", ""),
    ("nologin for another UPS stays", "other_ups.rs", "            if self.no_login {", "            if false {"),
    ("a decision for another UPS is remembered", "other_ups.rs", "        self.decided_before = None;\n", ""),
    ("after another UPS nobody looks soon", "other_ups.rs", "        self.order(Order::Command(Command::Poll));\n", ""),
    ("time goes back", "machine.rs", "self.now = self.now.max(now);", "self.now = now;"),
    # Evidence by samples.
    ("a copy agrees", "streak.rs", "at < last || (at == last && sample.says == said);", "at < last;"),
    ("an older sample counts", "streak.rs", "at < last || (at == last && sample.says == said);", "at == last && sample.says == said;"),
    ("what has no time agrees", "streak.rs", "let Some(at) = sample.at else { return };", "let Some(at) = sample.at.or(self.last.map(|(at, _)| at + APART)) else { return };"),
    ("an ended streak forgets what it saw", "streak.rs", "        self.run = None;\n", "        *self = Self::NONE;\n"),
    ("a changed fact forgets what it saw", "streak.rs", "Streak { last: sample.at.map(|at| (at, false)), run: None }", "Streak::NONE"),
    ("together as young as the younger", "streak.rs", "(true, true) => self.at.min(other.at),", "(true, true) => self.at.max(other.at),"),
    ("a copy of the line counts", "transitions.rs", "if self.line_read.is_some_and(copy) {", "if false {"),
    ("a copy of the line has a new time", "transitions.rs", "let line_at = read.of(Item::Line);", "let line_at = Some(now);"),
    ("a low battery is as old as its reading", "transitions.rs", "let low = flag(StatusFlags::BATTLOW, Item::LowBattery);", "let low = Sample::new(low, Some(now));"),
    ("a battery is as old as its reading", "transitions.rs", "flag(StatusFlags::BATTPRESENT, Item::BatteryPresent)", "flag(StatusFlags::BATTPRESENT, Item::Line)"),
    ("replace battery is as old as its reading", "transitions.rs", "flag(StatusFlags::REPLACEBATT, Item::ReplaceBattery)", "Sample::new(bits.contains(StatusFlags::REPLACEBATT), Some(now))"),
    ("a charge is as old as its reading", "known.rs", "keep_newer(&mut self.charge, charge_before, good_charge, times[0]);", "keep_newer(&mut self.charge, charge_before, good_charge, Some(now));"),
    ("a runtime is as old as its reading", "known.rs", "keep_newer(&mut self.runtime, runtime_before, good_runtime, times[1]);", "keep_newer(&mut self.runtime, runtime_before, good_runtime, Some(now));"),
    ("an older value replaces a newer", "known.rs", "kept.is_none_or(|kept| at >= kept.at && kept != new)", "kept.is_none_or(|kept| kept != new)"),
    ("a line voltage is as old as its reading", "known.rs", "keep_newer(&mut self.line_volts, &mut None, Some(volts), read.of(Item::LineVoltage));", "keep_newer(&mut self.line_volts, &mut None, Some(volts), Some(now));"),
    ("a value of before the outage counts", "transitions.rs", "self.known.charge.filter(|charge| charge.at >= outage.values_from)", "self.known.charge"),
    ("a runtime of before the outage counts", "transitions.rs", "self.known.runtime.filter(|runtime| runtime.at >= outage.values_from)", "self.known.runtime"),
    ("a clock that goes back makes old samples", "machine.rs", "let read = reading.read.moved(now, self.now);", "let read = reading.read;"),
    ("a question is answered by an older sample", "outage.rs", "Self::Asked { at, read } => *read |= sample >= Some(*at),", "Self::Asked { read, .. } => *read |= sample.is_some(),"),
    # Causes and long self tests.
    ("a cause that is no news is not asked for again", "transitions.rs", "            self.ask_cause_at = self.now.checked_add(CAUSE_PAUSE);", ""),
    ("mains that is gone does not settle the cause", "transitions.rs", "let agrees = gone &&", "let agrees = false &&"),
    ("a self test of before settles the cause", "transitions.rs", "gone && !matches!(cause.value, TransferCause::None | TransferCause::SelfTest);", "gone;"),
    ("a dead line does not settle the cause", "transitions.rs", "if dead || calibrates ||", "if calibrates ||"),
    ("a calibration does not settle the cause", "transitions.rs", "if dead || calibrates ||", "if dead ||"),
    ("a long test does not settle the cause", "transitions.rs", "|| self.long_test_is_said(since) ||", "||"),
    ("a long test has forty seconds", "selftest.rs", "        test.with_mains = true;\n", ""),
    ("a long test needs no mains", "selftest.rs", "test.and(mains).from(from)", "test.from(from)"),
    ("mains alone is a long test", "selftest.rs", "test.and(mains).from(from)", "mains.from(from)"),
    ("a long test of before the transfer counts", "selftest.rs", "test.and(mains).from(from)", "test.and(mains)"),
    ("a test for days is believed", "selftest.rs", "let from = self.known.tests_itself_since()?.min(since);", "let from = since;"),
    ("a long test without end", "selftest.rs", "test.until = test.until.max(until.unwrap_or(test.until));", "test.until = test.until.checked_add(std::time::Duration::from_secs(9_000_000)).unwrap_or(test.until);"),
    ("a test by its words alone has forty seconds", "selftest.rs", ".filter(|_| calibration_over || named)", ""),
    ("a word of mains at first refutes", "selftest.rs", "mains.from(since.checked_add(MAINS_SETTLES).unwrap_or(now)).shows()", "mains.shows()"),
    ("mains gone does not refute", "selftest.rs", "            test.refuted.mains_gone.note(mains.not());", ""),
    ("mains never seen refutes", "selftest.rs", "        if test.mains_seen {", "        if true {"),
    ("a test that is over goes on", "selftest.rs", "let with_mains_over = test.with_mains_over.since(n).is_some();", "let with_mains_over = false;"),
    ("what is not said any more goes on", "selftest.rs", "at: said.at.or(line_at.filter(|_| !said.says)),", "at: said.at,"),
    ("what refutes is not asked for", "selftest.rs", "if test.refuted.in_doubt() && now", "if false && now"),
    ("a long test after all is none", "selftest.rs", "is(outage.after_all.with_mains),", "false,"),
    ("a late cause is none", "selftest.rs", "[is(outage.after_all.cause),", "[false,"),
    ("a late cause by one sample", "selftest.rs", "[is(outage.after_all.cause),", "[outage.after_all.cause.first().is_some(),"),
    ("a late cause after onbattery", "selftest.rs", "possible && unannounced && until[0].is_some()", "possible && until[0].is_some()"),
    ("an old cause is a late one", "selftest.rs", "says: cause.says && self.known.cause_changed_after(after)", "says: cause.says"),
    ("a late cause is not asked for", "selftest.rs", "} else if !outage.announced && (!named || cause.first().is_some()) {", "} else if false {"),
    ("a test after all in a shutdown", "selftest.rs", "let possible = !low && !dead && self.latch == Latch::Armed;", "let possible = !low && !dead;"),
    ("a result in progress is not asked for again", "selftest.rs", "if self.now.saturating_duration_since(said.at) >= ASK_SOON", "if false"),
    # The low battery flag.
    ("confirm counts at once", "low_battery.rs", "Some(self.confirmed_at(settings.confirm_polls, on_battery)?.max(at))", "Some(at)"),
    ("confirm never counts", "low_battery.rs", "Some(self.confirmed_at(settings.confirm_polls, on_battery)?.max(at))", "None"),
    ("ignore counts", "low_battery.rs", "LowBatteryFlag::Ignore => None,", "LowBatteryFlag::Ignore => Some(at),"),
    ("one sample confirms", "low_battery.rs", "let says = self.confirms.since(samples)", "let says = self.confirms.first()"),
    ("standing still is no doubt", "low_battery.rs", "[says, still].into_iter()", "[says, None].into_iter()"),
    ("standing still on mains counts", "low_battery.rs", "since.max(on_battery).checked_add(STANDS_STILL)", "since.checked_add(STANDS_STILL)"),
    ("a value that moves stands still", "low_battery.rs", "if self.value != Some(value) && newer {", "if self.value.is_none() && newer {"),
    ("an unknown value is a witness", "low_battery.rs", "                self.confirms.note(Sample::new(true, line_at));", ""),
    ("an implausible value is a witness", "low_battery.rs", "                self.confirms.note(Sample::new(true, at));\n                self.why = \"is implausible\";", ""),
    ("a limit above fifty does not confirm", "low_battery.rs", "limit.0.max(charge)", "charge"),
    ("zeros with a flag that is not trusted are data", "transitions.rs", "low && trusted, now", "low, now"),
    ("the directive is not named", "text.rs", "if by_flag && low && doubtful && mode == LowBatteryFlag::Ups {", "if false {"),
    ("the directive is named always", "text.rs", "if by_flag && low && doubtful && mode == LowBatteryFlag::Ups {", "if by_flag && low {"),
    ("that the flag is not counted is told again and again", "transitions.rs", "        outage.flag_told = true;", ""),
    # The reason first.
    ("the reason after the hook", "shutdown.rs", "self.order(Order::EventWithReason(event, explanation.clone()));", "self.event(event);"),
    ("the reason of silence after the hook", "timers.rs", "Order::EventWithReason(Event::CommFailure, text::no_answer(&reason))", "Order::Event(Event::CommFailure)"),
    # Nothing that a UPS sends keeps it from being asked, and its silence from being told.
    ("silence is a loss after many intervals", "../link/silence.rs", "const INTERVALS: u32 = 3;", "const INTERVALS: u32 = 300;"),
    ("silence is never a loss", "../link/silence.rs", "self.over |= now >= self.until;", "if now >= self.until { self.pause(now); }"),
    ("a program that was stopped loses its UPS", "../link/silence.rs", "if !self.over && now >= self.until + LATE {", "if false {"),
    ("an unconfirmed change begins the time anew", "../link/silence.rs", "self.until = if unsure {", "self.until = if false {"),
    ("a longer interval is a loss", "../link/silence.rs", "self.until = self.until.max(self.told + longest);", ""),
    ("the cause is asked at each alert", "../link/apcsmart/talk/alerts.rs", "if self.question == Question::None {", "if true {"),
    ("the status byte is asked at each alert", "../link/apcsmart/talk/status.rs", "self.read_at.map_or(now, |at| now.max(at + ALERT_PAUSE))", "now"),
    ("alerts hold as long as more come", "../link/apcsmart/talk/alerts.rs", "until: before.map_or(now + ALERT_HOLDS, |alerts| alerts.until),", "until: now + ALERT_HOLDS,"),
    ("the EEPROM is read when it no longer changes", "../link/apcsmart/talk/plan.rs", "self.again_at.get_or_insert(at);", "self.again_at = Some(at);"),
    ("the status byte waits for POLLTIME", "../link/apcsmart/talk/plan.rs", "if self.attach == Attach::Done { STATUS_EVERY }", "if self.attach == Attach::Done { self.intervals.poll() }"),
    ("a status without a line state ends a loss", "../link/apcsmart/talk/status.rs", "} else if self.readings.last.is_none() {", "} else if false {"),
    ("a status without a line state tells something", "../link/apcsmart/talk/status.rs", "if line != StatusFlags::default() {", "if true {"),
    ("alerts are part of the answer", "../link/apcsmart/mod.rs", "if !matches!(item, Some(Item::Alert(_)))", "if true"),
    ("a serial UPS is never silent", "../link/apcsmart/talk.rs", "const SILENT_LEAST: Duration = Duration::from_secs(10);", "const SILENT_LEAST: Duration = Duration::from_secs(10_000);"),
    ("a line that does not hold still is no loss", "../link/dumb/mod.rs", "let silent = open.silence.is_over(now);", "let silent = false;"),
    ("a master that says nothing of its UPS is no loss", "../link/net/mod.rs", "const SILENT_LEAST: Duration = Duration::from_secs(20);", "const SILENT_LEAST: Duration = Duration::from_secs(20_000);"),
    ("a USB UPS is never silent", "../link/usb/mod.rs", "const SILENT_LEAST: Duration = Duration::from_secs(15);", "const SILENT_LEAST: Duration = Duration::from_secs(15_000);"),
    ("looks leave no room for the polls", "../link/usb/session/steps.rs", "            self.looks.pause(now);\n", ""),
]

POWER_TESTS = ("cargo test --quiet --lib power::", "cargo test --quiet --test pure -- power_properties:: evidence::")
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
        failed = tests(LINK_TESTS if file.startswith("../link/") else POWER_TESTS)
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
