// Two detectors of points that many compare with, from their papers, for points of up to 8 dimensions. Both score a point
// before they learn it; higher is more anomalous.
#pragma once

#include <array>
#include <cstdint>
#include <random>
#include <vector>

namespace tidewaiter::bench {

inline constexpr std::size_t point_dimensions_max = 8;
using Point = std::array<double, point_dimensions_max>;  // dimensions that are not used stay 0

/// Half-space trees (Tan, Ting, Liu, IJCAI 2011) at the authors' setting: 25 trees of depth 15, windows of 250 points, a
/// node with fewer than a tenth of them ends the walk. Coordinates lie in [0, 1]; what lies outside is scored all the same.
class HalfSpaceTrees {
 public:
  explicit HalfSpaceTrees(std::size_t dimensions, std::uint64_t seed = 1);
  /// In (0, 1]: 1 / (1 + mean mass at the end of the walk, as a multiple of an even spread).
  double observe(const Point& point);

 private:
  static constexpr std::size_t trees = 25, depth = 15, window = 250;
  struct Node {
    std::uint8_t dimension = 0;
    float middle = 0;
    std::uint32_t reference = 0, latest = 0;  // mass of the last window and of this one
  };
  void build(std::size_t tree, std::size_t node, std::size_t level, Point& low, Point& high, std::mt19937_64& random);
  Node& at(std::size_t tree, std::size_t node) { return nodes_[(tree << depth) + node]; }

  std::size_t dimensions_;
  std::vector<Node> nodes_;  // heaps, root 1
  std::size_t seen_ = 0;
};

/// Random cut forest (Guha, Mishra, Roy, Schrijvers, ICML 2016): 50 trees over reservoirs of 256 points; the score is the
/// mean collusive displacement of the point.
class RandomCutForest {
 public:
  explicit RandomCutForest(std::size_t dimensions, std::uint64_t seed = 1);
  double observe(const Point& point);

 private:
  static constexpr std::size_t trees = 50, sample = 256;
  static constexpr std::int32_t none = -1;
  struct Node {
    std::int32_t parent = none, left = none, right = none;  // a leaf has no children
    std::uint32_t count = 0;
    std::uint32_t dimension = 0;
    double cut = 0;
    Point low{}, high{};
  };
  class Tree {
   public:
    Tree();
    std::int32_t insert(const Point& point, std::size_t dimensions, std::mt19937_64& random);
    void remove(std::int32_t leaf, std::size_t dimensions);
    double displacement(std::int32_t leaf) const;

   private:
    std::int32_t make();
    void count_up(std::int32_t node, int change);
    std::vector<Node> nodes_;
    std::vector<std::int32_t> free_;
    std::int32_t root_ = none;
  };

  std::size_t dimensions_;
  std::mt19937_64 random_;
  std::vector<Tree> forest_;
  std::vector<std::vector<std::int32_t>> reservoirs_;  // leaves
  std::uint64_t seen_ = 0;
};

}  // namespace tidewaiter::bench
