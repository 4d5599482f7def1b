//! Graphs: work with dependencies, made once and launched often.
//!
//! Model. A [`Graph`] is a description and can be changed; nodes keep their number as long as they exist. An [`Executable`] is the
//! work of a graph in an order that respects its dependencies, the smallest node number first where several could be next. A
//! launch gives it to the stream and, where the graph has branches, to streams of the executable's own ([`crate::branches`])
//! that begin after the stream's earlier work and end before its later work. Launches of one executable run one after the other,
//! whatever streams they are in.

use crate::branches::{self, Place};
use crate::error::Error;
use crate::event::Event;
use crate::stream::{Stream, StreamClass};
use crate::work::Work;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// A node: its work, and the nodes that come before it.
#[derive(Clone, Debug)]
struct Node {
    work: Work,
    after: Vec<usize>,
}

/// See the module header.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    nodes: Vec<Option<Node>>,
}

/// Why a graph cannot be changed that way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// No such node.
    #[error("the graph has no node {0}")]
    UnknownNode(usize),
    /// The dependency is there already, or not there when it should be removed, or leads from a node to itself.
    #[error("the dependency of node {to} on node {from} is there already, is not there, or leads to itself")]
    Dependency {
        /// The node before.
        from: usize,
        /// The node after.
        to: usize,
    },
    /// Nodes wait for each other.
    #[error("the dependencies of the graph form a circle")]
    Circle,
}

impl Graph {
    /// An empty graph.
    pub fn new() -> Self {
        Self::default()
    }

    fn node(&self, idx: usize) -> Result<&Node, GraphError> {
        self.nodes.get(idx).and_then(Option::as_ref).ok_or(GraphError::UnknownNode(idx))
    }

    fn node_mut(&mut self, idx: usize) -> Result<&mut Node, GraphError> {
        self.nodes.get_mut(idx).and_then(Option::as_mut).ok_or(GraphError::UnknownNode(idx))
    }

    /// Adds a node that comes after the given ones.
    ///
    /// # Errors
    /// One of them does not exist.
    pub fn add(&mut self, work: Work, after: &[usize]) -> Result<usize, GraphError> {
        after.iter().try_for_each(|idx| self.node(*idx).map(drop))?;
        let after: BTreeSet<usize> = after.iter().copied().collect();
        self.nodes.push(Some(Node { work, after: after.into_iter().collect() }));
        Ok(self.nodes.len() - 1)
    }

    /// Takes a node and its dependencies away.
    ///
    /// # Errors
    /// It does not exist.
    pub fn remove(&mut self, idx: usize) -> Result<(), GraphError> {
        self.node(idx)?;
        self.nodes[idx] = None;
        self.nodes.iter_mut().flatten().for_each(|node| node.after.retain(|before| *before != idx));
        Ok(())
    }

    /// Makes `to` come after `from`.
    ///
    /// # Errors
    /// One does not exist, they are the same, or it does already.
    pub fn connect(&mut self, from: usize, to: usize) -> Result<(), GraphError> {
        self.node(from)?;
        let node = self.node_mut(to)?;
        if from == to || node.after.contains(&from) {
            return Err(GraphError::Dependency { from, to });
        }
        node.after.push(from);
        Ok(())
    }

    /// Takes a dependency away.
    ///
    /// # Errors
    /// It is not there.
    pub fn disconnect(&mut self, from: usize, to: usize) -> Result<(), GraphError> {
        let node = self.node_mut(to)?;
        let place = node.after.iter().position(|before| *before == from);
        node.after.remove(place.ok_or(GraphError::Dependency { from, to })?);
        Ok(())
    }

    /// Numbers of all nodes, rising.
    pub fn nodes(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|idx| self.nodes[*idx].is_some()).collect()
    }

    /// The nodes that come right before a node.
    ///
    /// # Errors
    /// It does not exist.
    pub fn before(&self, idx: usize) -> Result<&[usize], GraphError> {
        Ok(&self.node(idx)?.after)
    }

    /// A node's work.
    ///
    /// # Errors
    /// It does not exist.
    pub fn work(&self, idx: usize) -> Result<&Work, GraphError> {
        Ok(&self.node(idx)?.work)
    }

    /// Gives a node other work.
    ///
    /// # Errors
    /// It does not exist.
    pub fn set_work(&mut self, idx: usize, work: Work) -> Result<(), GraphError> {
        self.node_mut(idx)?.work = work;
        Ok(())
    }

    /// Dependencies as pairs: before, after.
    pub fn edges(&self) -> Vec<(usize, usize)> {
        let nodes = self.nodes();
        let of = |to: &usize| self.before(*to).unwrap_or_default().iter().map(|from| (*from, *to)).collect::<Vec<_>>();
        nodes.iter().flat_map(of).collect()
    }

    /// All nodes in an order that respects the dependencies.
    ///
    /// # Errors
    /// There is a circle.
    pub fn order(&self) -> Result<Vec<usize>, GraphError> {
        let mut missing: Vec<usize> =
            self.nodes.iter().map(|node| node.as_ref().map_or(0, |it| it.after.len())).collect();
        let mut followers = vec![Vec::new(); self.nodes.len()];
        for (from, to) in self.edges() {
            followers[from].push(to);
        }
        let mut ready: BTreeSet<usize> = self.nodes().into_iter().filter(|idx| missing[*idx] == 0).collect();
        let mut order = Vec::new();
        while let Some(idx) = ready.pop_first() {
            order.push(idx);
            for &follower in &followers[idx] {
                missing[follower] -= 1;
                if missing[follower] == 0 {
                    ready.insert(follower);
                }
            }
        }
        if order.len() == self.nodes().len() { Ok(order) } else { Err(GraphError::Circle) }
    }

    /// Whether all of `targets` are among `starts` or before them.
    pub fn covers(&self, starts: &[usize], targets: &[usize]) -> bool {
        let mut seen: BTreeSet<usize> = starts.iter().copied().collect();
        let mut pending = starts.to_vec();
        while let Some(idx) = pending.pop() {
            for &before in self.before(idx).unwrap_or_default() {
                if seen.insert(before) {
                    pending.push(before);
                }
            }
        }
        targets.iter().all(|target| seen.contains(target))
    }
}

/// A piece of an executable's work.
#[derive(Clone, Debug)]
pub struct Step {
    /// What to do.
    pub work: Work,
    /// Numbers of the steps that come right before it; all are smaller than its own.
    pub after: Vec<usize>,
}

/// Work that is launched together; see the module header.
#[derive(Debug, Default)]
pub struct Executable {
    state: Mutex<ExecutableState>,
}

#[derive(Debug, Default)]
struct ExecutableState {
    steps: Vec<Work>,
    places: Vec<Place>,
    /// Of each step that is awaited in another lane: recorded after it.
    events: Vec<Event>,
    /// The lanes beside the launch's own stream.
    lanes: Vec<Lane>,
    /// Recorded in the stream before the lanes begin.
    fork: Event,
    /// Recorded at the end of the latest launch.
    last: Option<Event>,
}

/// A stream of the executable's own.
#[derive(Debug)]
struct Lane {
    stream: Stream,
    /// Recorded at its end.
    end: Event,
}

impl ExecutableState {
    /// Makes the lanes that a launch into `stream` needs, unless they are there.
    fn make_lanes(&mut self, stream: &Stream) {
        let n_lanes = self.places.iter().map(|place| place.lane).max().unwrap_or(0);
        let fits = |lane: &Lane| {
            lane.stream.priority() == stream.priority()
                && Arc::ptr_eq(lane.stream.shared.context(), stream.shared.context())
        };
        if self.lanes.len() != n_lanes || !self.lanes.iter().all(fits) {
            let context = stream.context();
            let lane = |_| Lane {
                stream: context.create_stream_with(StreamClass::Free, stream.priority()),
                end: Event::new(),
            };
            self.lanes = (0..n_lanes).map(lane).collect();
        }
    }

    fn enqueue_steps(&self, stream: &Stream) -> Result<(), Error> {
        for (idx, (step, place)) in self.steps.iter().zip(&self.places).enumerate() {
            let lane = place.lane.checked_sub(1).map_or(stream, |own| &self.lanes[own].stream);
            place.waits.iter().try_for_each(|before| lane.wait(&self.events[*before]))?;
            lane.submit(step)?;
            if place.is_awaited {
                lane.record(&self.events[idx])?;
            }
        }
        Ok(())
    }

    fn enqueue(&mut self, stream: &Stream) -> Result<(), Error> {
        self.make_lanes(stream);
        if self.lanes.is_empty() {
            return self.enqueue_steps(stream);
        }
        stream.record(&self.fork)?;
        self.lanes.iter().try_for_each(|lane| lane.stream.wait(&self.fork))?;
        let outcome = self.enqueue_steps(stream);
        // Also after a step that was refused: what was enqueued belongs to the stream's order.
        for lane in &self.lanes {
            lane.stream.record(&lane.end)?;
            stream.wait(&lane.end)?;
        }
        outcome
    }
}

impl Executable {
    /// Steps in an order that respects what they come after.
    pub fn new(steps: Vec<Step>) -> Self {
        let (steps, after): (Vec<_>, Vec<_>) = steps.into_iter().map(|step| (step.work, step.after)).unzip();
        let places = branches::plan(&after);
        let events = steps.iter().map(|_| Event::new()).collect();
        Self { state: Mutex::new(ExecutableState { steps, places, events, ..ExecutableState::default() }) }
    }

    /// Gives a step other work, for the launches to come.
    pub fn set_step(&self, idx: usize, work: Work) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(step) = state.steps.get_mut(idx) {
            *step = work;
        }
    }

    /// Enqueues all steps.
    ///
    /// # Errors
    /// Of the first step that is refused; those before it are enqueued.
    pub fn launch(&self, stream: &Stream) -> Result<(), Error> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = &state.last {
            stream.wait(last)?;
        }
        let outcome = state.enqueue(stream);
        let last = state.last.get_or_insert_with(Event::new).clone();
        stream.record(&last)?;
        outcome
    }
}

impl Graph {
    /// The graph's work as steps.
    ///
    /// # Errors
    /// There is a circle.
    pub fn steps(&self) -> Result<Vec<Step>, GraphError> {
        let order = self.order()?;
        let mut places = vec![0; self.nodes.len()];
        for (place, idx) in order.iter().enumerate() {
            places[*idx] = place;
        }
        let step = |idx: &usize| {
            let after = self.before(*idx)?.iter().map(|before| places[*before]).collect();
            Ok(Step { work: self.work(*idx)?.clone(), after })
        };
        order.iter().map(step).collect()
    }

    /// The graph, ready to launch.
    ///
    /// # Errors
    /// There is a circle.
    pub fn instantiate(&self) -> Result<Arc<Executable>, GraphError> {
        Ok(Arc::new(Executable::new(self.steps()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_respects_dependencies_and_circles_are_found() {
        let mut graph = Graph::new();
        let a = graph.add(Work::Nothing, &[]).unwrap();
        let b = graph.add(Work::Nothing, &[a]).unwrap();
        let c = graph.add(Work::Nothing, &[]).unwrap();
        graph.connect(c, a).unwrap();
        assert_eq!(graph.order().unwrap(), [c, a, b]);
        assert_eq!(graph.edges(), [(c, a), (a, b)]);
        assert!(graph.covers(&[b], &[c]) && !graph.covers(&[a], &[b]));
        assert_eq!(graph.connect(c, a), Err(GraphError::Dependency { from: c, to: a }));
        assert_eq!(graph.connect(a, a), Err(GraphError::Dependency { from: a, to: a }));
        assert_eq!(graph.add(Work::Nothing, &[9]), Err(GraphError::UnknownNode(9)));
        graph.connect(b, c).unwrap();
        assert_eq!(graph.order(), Err(GraphError::Circle));
        graph.remove(a).unwrap();
        assert_eq!(graph.order().unwrap(), [b, c]);
        assert_eq!(graph.disconnect(a, b), Err(GraphError::Dependency { from: a, to: b }));
    }
}
