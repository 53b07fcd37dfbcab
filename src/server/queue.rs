//! Connections in the order of their deadlines.
//!
//! All connections in one state have the same time limit, so the order in which they entered the state is the order of
//! their deadlines: lists threaded through the slots give the next deadline, and every change, in constant time,
//! however many connections there are.

/// What a connection is doing; each state has its own list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Waits for a request.
    Waiting,
    /// Part of a request has come.
    Partial,
    /// Part of an answer could not be sent yet.
    Writing,
    /// Is told of changes; without a deadline.
    Watching,
}

const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Link {
    before: u32,
    after: u32,
    /// The list it is in.
    state: Option<State>,
}

#[derive(Clone, Copy, Debug)]
struct Ends {
    first: u32,
    last: u32,
}

impl Default for Ends {
    fn default() -> Self {
        Self { first: NONE, last: NONE }
    }
}

/// The lists.
#[derive(Debug, Default)]
pub(super) struct Queues {
    links: Vec<Link>,
    waiting: Ends,
    partial: Ends,
    writing: Ends,
    watching: Ends,
}

impl Queues {
    /// The slot that has been longest in this state.
    pub fn first(&self, state: State) -> Option<u32> {
        let first = match state {
            State::Waiting => self.waiting.first,
            State::Partial => self.partial.first,
            State::Writing => self.writing.first,
            State::Watching => self.watching.first,
        };
        (first != NONE).then_some(first)
    }

    /// Puts a slot at the end of a state's list, out of the list it was in.
    pub fn enter(&mut self, slot: u32, state: State) {
        self.remove(slot);
        let index = slot as usize;
        if self.links.len() <= index {
            self.links.resize(index + 1, Link { before: NONE, after: NONE, state: None });
        }
        let ends = self.ends(state);
        let last = ends.last;
        ends.last = slot;
        if last == NONE {
            ends.first = slot;
        }
        if let Some(link) = self.links.get_mut(last as usize) {
            link.after = slot;
        }
        if let Some(link) = self.links.get_mut(index) {
            *link = Link { before: last, after: NONE, state: Some(state) };
        }
    }

    /// Takes a slot out of its list.
    pub fn remove(&mut self, slot: u32) {
        let Some(link) = self.links.get_mut(slot as usize) else { return };
        let Some(state) = link.state.take() else { return };
        let Link { before, after, .. } = *link;
        if let Some(link) = self.links.get_mut(before as usize) {
            link.after = after;
        }
        if let Some(link) = self.links.get_mut(after as usize) {
            link.before = before;
        }
        let ends = self.ends(state);
        if before == NONE {
            ends.first = after;
        }
        if after == NONE {
            ends.last = before;
        }
    }

    fn ends(&mut self, state: State) -> &mut Ends {
        match state {
            State::Waiting => &mut self.waiting,
            State::Partial => &mut self.partial,
            State::Writing => &mut self.writing,
            State::Watching => &mut self.watching,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lists_behave_as_plain_vectors_do(
            steps in proptest::collection::vec((0u32..12, 0usize..5), 0..300),
        ) {
            const STATES: [State; 4] = [State::Waiting, State::Partial, State::Writing, State::Watching];
            let mut queues = Queues::default();
            let mut model: [Vec<u32>; 4] = Default::default();
            for (slot, what) in steps {
                for list in &mut model {
                    list.retain(|&s| s != slot);
                }
                match STATES.get(what) {
                    Some(&state) => {
                        queues.enter(slot, state);
                        model[what].push(slot);
                    }
                    None => queues.remove(slot),
                }
                for (state, list) in STATES.into_iter().zip(&model) {
                    prop_assert_eq!(queues.first(state), list.first().copied());
                }
            }
            for (state, list) in STATES.into_iter().zip(&model) {
                for &slot in list {
                    prop_assert_eq!(queues.first(state), Some(slot));
                    queues.remove(slot);
                }
                prop_assert_eq!(queues.first(state), None);
            }
        }
    }
}
