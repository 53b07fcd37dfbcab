//! When the roles of the daemon die: in every phase of a story.

use super::super::random::Random;
use super::super::{FILES, MAIN, OUTPUT};
use super::act::{Act, When};
use super::fault::Fault;
use super::story::Story;

/// A phase of the story, with its moment.
fn phase(story: &Story, random: &mut Random) -> When {
    let end = story.limit.unwrap_or(story.quiet - 3.0);
    let soon = random.between(0.0, 0.05);
    let mut phases = vec![
        When::At((story.off - random.between(0.1, 0.8)).max(0.1)),
        When::At(story.off + random.between(-0.05, 0.1)),
        When::At(random.between(story.off, end)),
        When::At(end - random.between(0.0, 0.3)),
        When::At(end + random.between(0.0, 2.0)),
    ];
    if story.announced {
        phases.push(When::Said("Power failure.", soon));
        phases.push(When::Said("Running on UPS batteries.", soon));
    }
    if story.announced && story.limit.is_none() {
        phases.push(When::Said("Power is back. UPS running on mains.", soon));
    }
    if story.limit.is_some() {
        phases.push(When::Said("Initiating system shutdown!", soon));
        // While it runs, and after it.
        phases.push(When::Said("doshutdown", random.between(0.0, 0.7)));
    }
    random.one_of(&phases)
}

fn pause(random: &mut Random) -> f64 {
    let long = random.between(0.2, 4.0);
    random.one_of(&[0.0, 0.0, 0.1, long])
}

/// What is done under a fault that is the death of a role, in order.
pub fn acts(fault: Fault, story: &Story, random: &mut Random) -> Vec<(When, Act)> {
    let signal = random.one_of(&["KILL", "ABRT"]);
    let writer = random.one_of(&[FILES, OUTPUT]);
    let first = phase(story, random);
    let main_dies = Act::EndRole(MAIN, signal);
    let writer_dies = Act::EndRole(writer, "KILL");
    let more = |act: Act, count: usize, random: &mut Random| -> Vec<(When, Act)> {
        (0..count).map(|_| (When::After(pause(random)), act)).collect()
    };
    let mut acts = vec![(first, main_dies)];
    match fault {
        Fault::MainDies => {
            let count = random.one_of(&[0, 0, 1, 2, 3]);
            acts.extend(more(main_dies, count, random));
        }
        Fault::MainHangs => {
            acts[0].1 = Act::HangMain;
            let count = random.one_of(&[0, 0, 1]);
            acts.extend(more(main_dies, count, random));
        }
        Fault::WriterDies => {
            acts[0].1 = writer_dies;
            let count = random.one_of(&[0, 1, 2]);
            acts.extend(more(writer_dies, count, random));
        }
        Fault::WriterHangs => {
            acts[0].1 = Act::StopWriter(writer);
            let long = random.one_of(&[0.3, 1.5, 4.0, 11.0]);
            let end = random.one_of(&[Act::ContinueWriters, writer_dies]);
            acts.push((When::After(long), end));
        }
        _ => match random.below(5) {
            0 => {
                acts.insert(0, (first, Act::StopWriter(writer)));
                acts[1].0 = When::After(random.between(0.0, 0.5));
                acts.push((When::After(random.between(0.0, 3.0)), Act::ContinueWriters));
            }
            1 => {
                acts.insert(0, (first, writer_dies));
                acts[1].0 = When::AtOnce;
            }
            2 => acts.push((When::AtOnce, Act::Kill(random.between(0.0, 0.5)))),
            3 => {
                acts[0].1 = Act::HangMain;
                acts.push((When::AtOnce, Act::Kill(random.between(0.0, 0.5))));
            }
            _ => acts.push((When::After(random.between(0.0, 0.3)), Act::Kill(random.between(0.0, 0.5)))),
        },
    }
    acts
}
