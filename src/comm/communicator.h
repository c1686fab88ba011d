// What the ranks of one video say to each other: each rank computes on a device of its own, and all run the same
// program. A collective is called by every rank of its group, in the same order and with the same name; it sees the
// results of the operations called before it, and those called after it see what it brought, as if it were an operation
// of the rank's backend.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace wan {

/// How far a rank has come.
struct Progress {
  enum class State { kComputing, kWaiting, kEnded };
  State state = State::kComputing;
  std::string stage;     // of the work, as it was said last: see `enter_stage`
  std::string what;      // the collective it waits in, or entered last; or what it said of itself since: see `advance`
  uint64_t entered = 0;  // collectives, that one included
  int64_t since_ns = 0;  // CLOCK_MONOTONIC of the last change of any of these
};

/// One rank's end of a group. Every call throws Error once any rank of the video has failed, so that none waits for it:
/// the failure names the rank. Names are literals.
class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;  // in this group
  virtual int size() const = 0;

  /// to[r] goes to rank r, and from[r] is where rank r's to[this rank] comes: equal shapes and dtypes, any strides with
  /// unit inner stride, memory of this rank's device. Empty views where nothing goes, at both ends. No `from` may
  /// overlap any `to`.
  virtual void all_to_all(std::span<const TensorView> to, std::span<const TensorView> from, const char* name) = 0;
  /// all[r] becomes rank r's `mine`, for every rank: as all_to_all for views. all[this rank] may be `mine` itself.
  virtual void all_gather(const TensorView& mine, std::span<const TensorView> all, const char* name) = 0;
  /// What neighbours know of each other's edges: to_previous becomes the from_next of the rank before, and to_next the
  /// from_previous of the rank behind. Empty where there is no such rank; views as of all_to_all.
  struct Halo {
    TensorView to_previous, to_next, from_previous, from_next;
  };
  virtual void exchange_halo(const Halo& halo, const char* name) = 0;
  /// `bytes`, host memory of the same size on every rank, become those of rank `root`.
  virtual void broadcast_host(std::span<std::byte> bytes, int root, const char* name) = 0;
  /// Returns once every rank of the group has called it.
  virtual void barrier(const char* name) = 0;
  /// A collective: the ranks that gave one colour become a group of their own, in this group's order. It fails with
  /// this one, and must not outlive it.
  virtual std::unique_ptr<Communicator> split(int colour) = 0;

  /// Says that this rank has got further without a collective, as while a model is loaded: its wait counts from here.
  virtual void advance(const char* what) = 0;
  /// Says which part of the work this rank begins: failures name it. Its wait counts from here.
  virtual void enter_stage(const std::string& stage) = 0;
  /// Fails this rank, and so all: every rank's next call throws.
  virtual void abort(const std::string& why) = 0;
  /// Of every rank of the video, by number.
  virtual std::vector<Progress> progress() const = 0;
};

}  // namespace wan
