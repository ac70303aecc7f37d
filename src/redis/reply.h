// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sb::redis {

/// One reply (RESP2): a tree, kept as one list of its values and one piece of text. So a reply of any shape costs no
/// allocation when its memory is used again, and its bytes are copied once, out of what was received.
class Reply {
 public:
  enum class Type : std::uint8_t { nil, text, status, error, integer, array };
  class View;

  /// The whole; nil when it is empty. Views are valid until the reply changes or moves.
  View root() const;

  // --- building, in the order of the wire
  void clear();
  void add_nil() { add(Type::nil, 0, 0); }
  void add_integer(std::int64_t n) { add(Type::integer, n, 0); }
  void add_text(Type type, std::string_view text) {
    add(type, static_cast<std::int64_t>(bytes_.size()), text.size());
    bytes_.append(text);
  }
  /// Its elements follow.
  void add_array(std::size_t size) { add(Type::array, 0, size); }
  /// After the last value.
  void finish();

 private:
  struct Node {
    Type type;
    std::uint32_t next;  ///< node behind this one and all that is in it
    std::int64_t value;  ///< integer; text: where it begins
    std::size_t size;    ///< text: bytes; array: elements
  };
  void add(Type type, std::int64_t value, std::size_t size) { nodes_.push_back({type, 0, value, size}); }

  std::vector<Node> nodes_;
  std::string bytes_;
};

/// A value in a reply.
class Reply::View {
 public:
  Type type() const { return node_ ? node_->type : Type::nil; }
  bool is_nil() const { return type() == Type::nil; }
  bool is_array() const { return type() == Type::array; }
  bool is_error() const { return type() == Type::error; }
  bool is_text() const { return type() == Type::text || type() == Type::status; }
  /// Of text, status and error; "" otherwise.
  std::string_view text() const;
  /// An integer, also when it is sent as text.
  std::optional<std::int64_t> integer() const;

  /// Elements of an array; 0 otherwise.
  std::size_t size() const { return is_array() ? node_->size : 0; }
  /// Nil when there is no such element. Walks to it.
  View operator[](std::size_t i) const;

  class Iterator {
   public:
    using iterator_category = std::forward_iterator_tag;
    using value_type = View;
    using difference_type = std::ptrdiff_t;
    using pointer = void;
    using reference = View;
    Iterator() = default;
    Iterator(const Reply* reply, std::uint32_t at, std::size_t left) : reply_(reply), at_(at), left_(left) {}
    View operator*() const { return View(*reply_, at_); }
    Iterator& operator++() {
      at_ = reply_->nodes_[at_].next;
      --left_;
      return *this;
    }
    Iterator operator++(int) {
      Iterator before = *this;
      ++*this;
      return before;
    }
    bool operator==(const Iterator& o) const { return left_ == o.left_; }

   private:
    const Reply* reply_ = nullptr;
    std::uint32_t at_ = 0;
    std::size_t left_ = 0;
  };
  Iterator begin() const { return {reply_, size() ? index() + 1 : 0, size()}; }
  Iterator end() const { return {reply_, 0, 0}; }

 private:
  friend class Reply;
  View() = default;
  View(const Reply& reply, std::uint32_t at) : reply_(&reply), node_(&reply.nodes_[at]) {}
  std::uint32_t index() const { return static_cast<std::uint32_t>(node_ - reply_->nodes_.data()); }
  const Reply* reply_ = nullptr;
  const Node* node_ = nullptr;
};

inline Reply::View Reply::root() const { return nodes_.empty() ? View() : View(*this, 0); }

}  // namespace sb::redis
