#include "ingest/recipe_tree.hpp"

#include <algorithm>
#include <cstring>

namespace tidewaiter::ingest {
namespace {

using Kind = PathStep::Kind;

/// Grows the tree of nodes.
class Tree {
 public:
  explicit Tree(std::vector<RecipeNode>& nodes) : nodes_(nodes) { nodes_.emplace_back(); }

  std::uint32_t reach(std::uint32_t from, const Path& path) {
    for (const PathStep& step : path) from = reach(from, step);
    return from;
  }

  std::uint32_t reach(std::uint32_t from, const PathStep& step) {
    switch (step.kind) {
      case Kind::key: return key(from, step.key);
      case Kind::each: return only(from, &RecipeNode::each, "[]");
      case Kind::text: return only(from, &RecipeNode::text, "{text}");
      case Kind::json: return only(from, &RecipeNode::embedded, "{json}");
      case Kind::base64_json: return only(from, &RecipeNode::base64, "{base64_json}");
      case Kind::kv: {
        const bool known = nodes_[from].kv >= 0;
        const std::uint32_t to = only(from, &RecipeNode::kv, "{kv}");
        if (known && nodes_[from].kv_key != step.key)
          clash_ = "'" + nodes_[from].path + "': the key of its pairs is called '" + nodes_[from].kv_key +
                   "' by one path and '" + step.key + "' by another ({kv} means {kv:key}); give all of them one name";
        nodes_[from].kv_key = step.key;
        return to;
      }
      case Kind::index: break;
    }
    for (const auto& [index, node] : nodes_[from].at)
      if (index == step.index) return node;
    const std::uint32_t made = add(from, "[" + std::to_string(step.index) + "]");
    nodes_[from].at.emplace_back(step.index, made);
    return made;
  }

  /// What two paths say that cannot both be; "" = nothing.
  const std::string& clash() const { return clash_; }

 private:
  std::uint32_t add(std::uint32_t from, const std::string& step) {
    const std::string before = nodes_[from].path;
    nodes_.emplace_back();
    nodes_.back().path = before + step;
    return static_cast<std::uint32_t>(nodes_.size() - 1);
  }
  std::uint32_t only(std::uint32_t from, std::int32_t RecipeNode::* which, const char* step) {
    if (nodes_[from].*which < 0) {
      const std::uint32_t made = add(from, step);
      nodes_[from].*which = static_cast<std::int32_t>(made);
    }
    return static_cast<std::uint32_t>(nodes_[from].*which);
  }
  std::uint32_t key(std::uint32_t from, const std::string& key) {
    if (const auto found = nodes_[from].by_key.find(key); found != nodes_[from].by_key.end()) return found->second;
    const std::uint32_t made = add(from, (nodes_[from].path.empty() ? "" : ".") + key);
    RecipeNode& node = nodes_[made];
    node.key = key;
    if (key.size() < node.key_bytes.size()) {
      std::memcpy(node.key_bytes.data(), key.data(), key.size());
      node.key_bytes[key.size()] = '"';
      node.key_mask = static_cast<std::uint32_t>((std::uint64_t{2} << key.size()) - 1);
    }
    nodes_[from].children.push_back(made);
    nodes_[from].by_key.emplace(key, made);
    return made;
  }

  std::vector<RecipeNode>& nodes_;
  std::string clash_;
};

/// Puts the paths of a mapping into the tree, once for each place that may hold an event.
class Planter {
 public:
  Planter(Recipe& recipe, const ReadPaths& read) : recipe_(recipe), read_(read), tree_(recipe.nodes) {}

  Result<void> run() {
    recipe_.path_count = static_cast<std::uint16_t>(read_.paths.size());
    recipe_.cell_room = static_cast<std::uint16_t>((read_.paths.size() + 63) / 64 * 64);
    if (read_.places.size() * read_.paths.size() > Recipe::cells_max)
      return fail(Code::invalid_argument, "fields: too many paths");
    for (std::size_t l = 0; l < read_.places.size(); ++l) {
      const Path& path = read_.places[l];
      const std::uint32_t at = tree_.reach(0, path);
      if (recipe_.nodes[at].location >= 0) return fail(Code::invalid_argument, "events: the same place twice");
      recipe_.nodes[at].location = static_cast<std::int32_t>(l);
      Location& location = recipe_.locations[l];
      location.first_cell = static_cast<std::uint16_t>(l * recipe_.cell_room);
      location.wrapped = !path.empty() && path != Path{{Kind::text, {}, 0}};
      location.many = std::any_of(path.begin(), path.end(), [](const PathStep& step) {
        return step.kind == Kind::each || step.kind == Kind::text;
      });
      for (std::size_t p = 0; p < read_.paths.size(); ++p)
        plant(path, read_.paths[p], static_cast<std::int32_t>(location.first_cell + p));
      for (const ParsedPath& ignored : read_.ignored) plant(path, ignored, -1);
      if (recipe_.nodes[at].path.ends_with("{text}")) plant_columns(at);
      shapes_of(path);
    }
    settle(0);
    if (!tree_.clash().empty()) return fail(Code::invalid_argument, "fields: " + tree_.clash());
    return recipe_.header_prefix.empty() ? Result<void>() : find_payload();
  }

 private:
  Result<void> find_payload() {
    const auto found = recipe_.nodes[0].by_key.find(recipe_.payload);
    if (found == recipe_.nodes[0].by_key.end())
      return fail(Code::invalid_argument, "headers.payload: no field is read below it");
    recipe_.payload_node = found->second;
    return {};
  }

  void plant(const Path& location, const ParsedPath& path, std::int32_t cell) {
    if (path.origin == ParsedPath::Origin::header || path.origin == ParsedPath::Origin::message_key) return;
    Path base = path.origin == ParsedPath::Origin::root ? Path() : location;
    for (int i = 0; i < path.up; ++i) {
      if (base.empty()) return;  // this location has nothing so far out
      base = outer_path(base);
    }
    for (std::size_t rank = 0; rank < path.ways.size(); ++rank) {
      const std::uint32_t at = tree_.reach(tree_.reach(0, base), path.ways[rank]);
      if (cell < 0) continue;
      recipe_.nodes[at].cells.push_back({static_cast<std::uint16_t>(cell), static_cast<std::uint8_t>(rank)});
      const bool whole_event = path.up == 0 && path.origin != ParsedPath::Origin::root && path.ways[rank].empty();
      recipe_.nodes[at].takes_strings = recipe_.nodes[at].takes_strings || !whole_event;
    }
  }

  void plant_columns(std::uint32_t at) {
    recipe_.is_text = true;
    const auto nodes_of = [&](const std::vector<std::string>& columns) {
      std::vector<std::uint32_t> nodes;
      for (const std::string& column : columns) nodes.push_back(tree_.reach(at, PathStep{Kind::key, column, 0}));
      return nodes;
    };
    std::vector<std::uint32_t> columns = nodes_of(recipe_.text_columns);
    std::vector<std::vector<std::uint32_t>> orders;
    for (const auto& order : recipe_.text_orders) orders.push_back(nodes_of(order.columns));
    recipe_.nodes[at].columns = std::move(columns);
    recipe_.nodes[at].orders = std::move(orders);
  }

  /// Which top-level keys a message must have that holds an event at this place.
  void shapes_of(const Path& location) {
    for (const std::vector<Condition>& way : recipe_.detect) {
      Shape shape;
      const bool array = !location.empty() && location[0].kind == Kind::each;
      shape.array = array;
      const std::size_t depth = array ? 1 : 0;
      if (location.size() > depth && location[depth].kind == Kind::key) shape.keys.push_back(location[depth].key);
      for (const Condition& condition : way) {
        const ParsedPath& path = read_.paths[condition.cell];
        if (condition.negated) continue;
        if (path.origin == ParsedPath::Origin::header) shape.any_header = true;
        const bool top = path.origin == ParsedPath::Origin::root || (location.size() == depth && path.up == 0);
        if (!top || path.ways.size() != 1 || path.ways[0].empty() || path.ways[0][0].kind != Kind::key) continue;
        if (path.origin != ParsedPath::Origin::event && path.origin != ParsedPath::Origin::root) continue;
        if (path.origin == ParsedPath::Origin::root && array) continue;
        shape.keys.push_back(path.ways[0][0].key);
      }
      recipe_.shapes.push_back(std::move(shape));
    }
  }

  /// Which nodes have events below, and which have to wait for their siblings. Returns how many cells lie outside of
  /// places with events.
  std::size_t settle(std::uint32_t at) {
    std::vector<std::uint32_t> below = recipe_.nodes[at].children;
    for (const std::int32_t one :
         {recipe_.nodes[at].each, recipe_.nodes[at].embedded, recipe_.nodes[at].base64, recipe_.nodes[at].kv})
      if (one >= 0) below.push_back(static_cast<std::uint32_t>(one));
    if (recipe_.nodes[at].text >= 0) below.push_back(static_cast<std::uint32_t>(recipe_.nodes[at].text));
    for (const auto& [index, node] : recipe_.nodes[at].at) below.push_back(node);
    std::size_t cells = recipe_.nodes[at].cells.size(), outside = 0;
    bool holds = recipe_.nodes[at].location >= 0 && at != 0;
    for (const std::uint32_t child : below) {
      const std::size_t inside = settle(child);
      cells += inside;
      recipe_.nodes[child].tells = !recipe_.nodes[child].holds_location && inside > 0;
      if (recipe_.nodes[child].holds_location) holds = recipe_.nodes[at].is_asked_from_inside = true;
      else outside += inside;
    }
    for (const std::uint32_t child : recipe_.nodes[at].children)
      recipe_.nodes[child].later = recipe_.nodes[child].holds_location && outside > 0;
    recipe_.nodes[at].holds_location = holds;
    if (recipe_.nodes[at].cells.empty()) recipe_.nodes[at].is_asked_from_inside = false;
    return cells;
  }

  Recipe& recipe_;
  const ReadPaths& read_;
  Tree tree_;
};

}  // namespace

Result<void> plant_paths(Recipe& recipe, const ReadPaths& read) { return Planter(recipe, read).run(); }

}  // namespace tidewaiter::ingest
