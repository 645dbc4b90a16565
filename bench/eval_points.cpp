#include "bench/eval_points.hpp"

#include <algorithm>
#include <utility>

namespace tidewaiter::bench {
namespace {

double uniform(std::mt19937_64& random) { return static_cast<double>(random() >> 11) * 0x1p-53; }

}  // namespace

HalfSpaceTrees::HalfSpaceTrees(std::size_t dimensions, std::uint64_t seed)
    : dimensions_(dimensions), nodes_(trees << depth) {
  std::mt19937_64 random(seed);
  for (std::size_t tree = 0; tree < trees; ++tree) {
    Point low{}, high{};
    for (std::size_t i = 0; i < dimensions; ++i) {
      const double centre = uniform(random), reach = 2 * std::max(centre, 1 - centre);
      low[i] = centre - reach;
      high[i] = centre + reach;
    }
    build(tree, 1, 1, low, high, random);
  }
}

void HalfSpaceTrees::build(std::size_t tree, std::size_t node, std::size_t level, Point& low, Point& high,
                           std::mt19937_64& random) {
  if (level > depth) return;
  Node& here = at(tree, node);
  const std::size_t i = random() % dimensions_;
  const double middle = (low[i] + high[i]) / 2;
  here.dimension = static_cast<std::uint8_t>(i);
  here.middle = static_cast<float>(middle);
  if (level == depth) return;
  const double was_high = std::exchange(high[i], middle);
  build(tree, 2 * node, level + 1, low, high, random);
  high[i] = was_high;
  const double was_low = std::exchange(low[i], middle);
  build(tree, 2 * node + 1, level + 1, low, high, random);
  low[i] = was_low;
}

double HalfSpaceTrees::observe(const Point& point) {
  double mass = 0;
  for (std::size_t tree = 0; tree < trees; ++tree) {
    bool ended = false;
    for (std::size_t node = 1, level = 0; level < depth; ++level) {
      Node& here = at(tree, node);
      if (!ended && (here.reference < window / 10 || level + 1 == depth)) {
        mass += static_cast<double>(here.reference) * static_cast<double>(std::uint64_t{1} << level);
        ended = true;
      }
      ++here.latest;
      node = 2 * node + (point[here.dimension] >= static_cast<double>(here.middle) ? 1 : 0);
    }
  }
  if (++seen_ % window == 0) {
    for (Node& node : nodes_) node.reference = std::exchange(node.latest, 0u);
  }
  // Nothing is known in the first window.
  return seen_ <= window ? 0 : 1 / (1 + mass / static_cast<double>(trees * window));
}

RandomCutForest::RandomCutForest(std::size_t dimensions, std::uint64_t seed)
    : dimensions_(dimensions), random_(seed), forest_(trees), reservoirs_(trees) {}

RandomCutForest::Tree::Tree() { nodes_.reserve(2 * sample + 4); }

std::int32_t RandomCutForest::Tree::make() {
  if (free_.empty()) {
    nodes_.emplace_back();
    return static_cast<std::int32_t>(nodes_.size() - 1);
  }
  const std::int32_t node = free_.back();
  free_.pop_back();
  nodes_[static_cast<std::size_t>(node)] = {};
  return node;
}

void RandomCutForest::Tree::count_up(std::int32_t node, int change) {
  for (; node != none; node = nodes_[static_cast<std::size_t>(node)].parent)
    nodes_[static_cast<std::size_t>(node)].count += static_cast<std::uint32_t>(change);
}

std::int32_t RandomCutForest::Tree::insert(const Point& point, std::size_t dimensions, std::mt19937_64& random) {
  const auto node_at = [&](std::int32_t i) -> Node& { return nodes_[static_cast<std::size_t>(i)]; };
  const auto make_leaf = [&] {
    const std::int32_t leaf = make();
    node_at(leaf).low = node_at(leaf).high = point;
    return leaf;
  };
  if (root_ == none) {
    root_ = make_leaf();
    node_at(root_).count = 1;
    return root_;
  }
  std::int32_t here = root_;
  while (true) {
    Point low, high;
    double span = 0;
    for (std::size_t i = 0; i < dimensions; ++i) {
      low[i] = std::min(node_at(here).low[i], point[i]);
      high[i] = std::max(node_at(here).high[i], point[i]);
      span += high[i] - low[i];
    }
    if (span == 0 && node_at(here).left == none) {  // the same point once more
      count_up(here, 1);
      return here;
    }
    double at = uniform(random) * span;
    std::size_t dimension = 0;
    while (dimension + 1 < dimensions && at > high[dimension] - low[dimension]) {
      at -= high[dimension] - low[dimension];
      ++dimension;
    }
    const double cut = low[dimension] + at;
    const bool below = cut < node_at(here).low[dimension], above = cut >= node_at(here).high[dimension];
    if ((below || above) && span > 0 && (point[dimension] <= cut) != (node_at(here).low[dimension] <= cut)) {
      const std::int32_t leaf = make_leaf(), parent = make(), over = node_at(here).parent;
      Node& made = node_at(parent);
      made.parent = over;
      made.dimension = static_cast<std::uint32_t>(dimension);
      made.cut = cut;
      made.count = node_at(here).count;
      made.left = point[dimension] <= cut ? leaf : here;
      made.right = point[dimension] <= cut ? here : leaf;
      if (over == none) root_ = parent;
      else if (node_at(over).left == here) node_at(over).left = parent;
      else node_at(over).right = parent;
      node_at(here).parent = node_at(leaf).parent = parent;
      count_up(leaf, 1);
      for (std::int32_t up = parent; up != none; up = node_at(up).parent)
        for (std::size_t i = 0; i < dimensions; ++i) {
          const Node &left = node_at(node_at(up).left), &right = node_at(node_at(up).right);
          node_at(up).low[i] = std::min(left.low[i], right.low[i]);
          node_at(up).high[i] = std::max(left.high[i], right.high[i]);
        }
      return leaf;
    }
    if (node_at(here).left == none) continue;  // a cut on the very edge: draw another
    here = point[node_at(here).dimension] <= node_at(here).cut ? node_at(here).left : node_at(here).right;
  }
}

void RandomCutForest::Tree::remove(std::int32_t leaf, std::size_t dimensions) {
  const auto node_at = [&](std::int32_t i) -> Node& { return nodes_[static_cast<std::size_t>(i)]; };
  if (node_at(leaf).count > 1) return count_up(leaf, -1);
  const std::int32_t parent = node_at(leaf).parent;
  free_.push_back(leaf);
  if (parent == none) {
    root_ = none;
    return;
  }
  const std::int32_t sibling = node_at(parent).left == leaf ? node_at(parent).right : node_at(parent).left;
  const std::int32_t over = node_at(parent).parent;
  node_at(sibling).parent = over;
  if (over == none) root_ = sibling;
  else if (node_at(over).left == parent) node_at(over).left = sibling;
  else node_at(over).right = sibling;
  free_.push_back(parent);
  count_up(over, -1);
  for (std::int32_t up = over; up != none; up = node_at(up).parent)
    for (std::size_t i = 0; i < dimensions; ++i) {
      const Node &left = node_at(node_at(up).left), &right = node_at(node_at(up).right);
      node_at(up).low[i] = std::min(left.low[i], right.low[i]);
      node_at(up).high[i] = std::max(left.high[i], right.high[i]);
    }
}

double RandomCutForest::Tree::displacement(std::int32_t leaf) const {
  const auto node_at = [&](std::int32_t i) -> const Node& { return nodes_[static_cast<std::size_t>(i)]; };
  double most = 0;
  for (std::int32_t here = leaf; node_at(here).parent != none; here = node_at(here).parent) {
    const Node& parent = node_at(node_at(here).parent);
    const std::int32_t sibling = parent.left == here ? parent.right : parent.left;
    most = std::max(most, static_cast<double>(node_at(sibling).count) / static_cast<double>(node_at(here).count));
  }
  return most;
}

double RandomCutForest::observe(const Point& point) {
  double score = 0;
  ++seen_;
  for (std::size_t i = 0; i < trees; ++i) {
    auto& reservoir = reservoirs_[i];
    const std::int32_t leaf = forest_[i].insert(point, dimensions_, random_);
    score += forest_[i].displacement(leaf);
    if (reservoir.size() < sample) {
      reservoir.push_back(leaf);
      continue;
    }
    // Reservoir sampling (Vitter 1985): this one stays with probability sample / seen, in place of one at random.
    const std::uint64_t slot = random_() % seen_;
    reservoir.push_back(leaf);
    if (slot < sample) std::swap(reservoir[slot], reservoir.back());
    forest_[i].remove(reservoir.back(), dimensions_);
    reservoir.pop_back();
  }
  return score / static_cast<double>(trees);
}

}  // namespace tidewaiter::bench
