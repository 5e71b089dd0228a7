//! The circle that both legacy rings lay their keys on: every server owns several points of it, and a key belongs to
//! the last point at or before its own position. Python's packages look that up with `bisect(points, position) - 1`,
//! where index -1 is the last point: the circle closes.

/// Positions and the indices of the servers that own them, in ascending order.
#[derive(Debug)]
pub(crate) struct Points<P>(Vec<(P, usize)>);

impl<P: Ord + Copy> Points<P> {
    /// Of two equal positions the later one counts, as it does with `insort`.
    pub(crate) fn new(points: impl Iterator<Item = (P, usize)>) -> Self {
        let mut points: Vec<_> = points.collect();
        points.sort_by_key(|(position, _)| *position);
        Points(points)
    }

    /// The server that owns what lies at `position`.
    pub(crate) fn owner(&self, position: P) -> usize {
        let behind = self.0.partition_point(|(point, _)| *point <= position);
        let (before, _) = self.0.split_at(behind);
        before
            .last()
            .or(self.0.last())
            .map_or(0, |(_, owner)| *owner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_belongs_to_the_last_point_at_or_before_it() {
        let points = Points::new([(20, 1), (10, 0), (30, 2)].into_iter());
        assert_eq!(points.owner(10), 0);
        assert_eq!(points.owner(19), 0);
        assert_eq!(points.owner(20), 1);
        assert_eq!(points.owner(99), 2);
    }

    #[test]
    fn a_key_before_the_first_point_belongs_to_the_last() {
        let points = Points::new([(10, 0), (30, 2)].into_iter());
        assert_eq!(points.owner(9), 2);
    }

    #[test]
    fn of_two_equal_points_the_later_one_counts() {
        let points = Points::new([(10, 0), (10, 1), (30, 2)].into_iter());
        assert_eq!(points.owner(10), 1);
    }
}
