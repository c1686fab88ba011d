// Weight residency: keeps a stack of layers where the plan wants them, fills them in the background, and knows what
// waiting cost. Layers that are to live in host memory are used before that is filled and page-locked, which takes
// seconds on a machine that has not had its memory yet: until then they go to the device past it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "backend/backend.h"
#include "model/layers.h"
#include "model/weights.h"
#include "pipeline/layer_filler.h"
#include "pipeline/packed_layers.h"
#include "pipeline/residency.h"

namespace wan {

struct LayerStoreOptions {
  Residency residency = Residency::kResident;
  int slots = 3;          // device slabs of all but kResident; at most 2 of packed layers
  int threads = 0;        // converters; 0: worker_threads()
  std::string component;  // "dit", "text_encoder": for messages and spans
  /// Bytes one worker converts at a time, a multiple of every element's size: large enough for full copy speed, small
  /// enough to keep all workers busy on one layer.
  size_t chunk_bytes = size_t{16} << 20;
  /// Where weights are expanded and LoRAs added, of layers that are not packed; nullopt: on the device where it is a
  /// card.
  std::optional<bool> expand_on_device{};
};

/// Two instants on the device's clock; `bytes` moved in between, 0 for a wait.
struct DeviceInterval {
  Event begin, end;
  uint64_t bytes = 0;
};

/// The same of CLOCK_MONOTONIC.
struct HostInterval {
  int64_t begin_ns = 0, end_ns = 0;
  uint64_t bytes = 0;
};

/// Waits for the device, for destructors: an error has nowhere to go there, and the next call on the device says it.
void quiesce(Backend& backend) noexcept;

class LayerStore final : public LayerSource {
 public:
  /// All layouts have the same size. `source` must outlive the store. Nothing is allocated or read before `start`.
  LayerStore(Backend& backend, std::vector<WeightLayout> layouts, const WeightSource& source,
             LayerStoreOptions options);
  /// Stops the background threads and waits for copies in flight.
  ~LayerStore() override;

  /// Allocates what the residency needs and begins to fill it in the background; the staging memory goes when all is
  /// filled. Throws OutOfMemory.
  void start();
  /// Returns when every layer is where the plan wants it (no-op where layers come from the file as they are needed).
  /// For
  /// --no-overlap.
  void wait_until_loaded();
  /// How many more passes over the layers will be made, so that nothing is fetched or expanded after the last.
  void expect_passes(int passes);
  /// kStream, kPacked, kPackedStream: fetches as many layers as there are free slots.
  void prefetch();

  TensorView acquire(int index) override;
  void release(int index) override;

  /// kStream, kPackedStream: gives the device slots back until the next acquire or prefetch.
  void release_slots();

  /// Exposed waits and layer copies since the last call; the events may not be ready yet.
  std::vector<DeviceInterval> take_waits();
  std::vector<DeviceInterval> take_copies();
  /// kStream, kPackedStream: what filling the host memory took, said once, when it is full.
  std::optional<HostInterval> take_fill();

  uint64_t device_bytes() const;
  uint64_t pinned_bytes() const;
  int layers() const { return static_cast<int>(layouts_.size()); }
  /// What a store of these options will hold when all is there: bytes of the device, and page-locked ones.
  struct Needs {
    uint64_t device = 0, pinned = 0;
  };
  /// `granule`: device memory is given out in multiples of it.
  static Needs needs(std::span<const WeightLayout> layouts, const WeightSource& source,
                     const LayerStoreOptions& options, uint64_t granule = 1);

 private:
  /// How far workers are with one layer.
  struct Load {
    int64_t chunks_left = 0;
    int64_t chunks_started = 0;
    Event copy_begin;
    Event ready;          // the device slab is complete
    bool filled = false;  // host side: all copies issued or, for kStream, all bytes written
  };
  struct Layer {
    Tensor device;         // kResident; kPacked: the packed layer
    Tensor host;           // kStream; kPackedStream: the packed layer
    Load load;             // of these
    bool settled = false;  // kResident: known to be complete, no more waiting
  };
  struct Slot {
    Tensor device;
    Event released;         // last use by the compute queue
    Load load;              // `ready` in all; the rest in kMapped, kOnce
    int64_t position = -1;  // what it holds, counted over passes
  };
  struct Staging {
    Tensor host;
    Event copied;
  };

  bool is(Residency residency) const { return options_.residency == residency; }
  /// Workers put layers into slots straight from the source.
  bool passes_through() const { return is(Residency::kMapped) || is(Residency::kOnce); }
  /// Layers are kept whole in page-locked memory.
  bool is_kept_on_host() const { return is_streamed(options_.residency); }
  /// Layers are kept whole, and brought to slots pass after pass.
  bool is_issued() const { return is_kept_on_host() || is(Residency::kPacked); }
  size_t kept_bytes(int layer) const { return packed_ ? packed_->bytes(layer) : slab_bytes_; }
  /// What a worker takes at a time.
  struct Task {
    int64_t position = 0;
    size_t chunk = 0;    // of its layer's
    bool feeds = false;  // past the host's memory, into a slot
  };
  /// A layer on its way to a slot past the host's memory, which does not have it yet.
  struct Feed {
    bool is_on = false;
    int64_t position = -1;
    size_t next_chunk = 0;
    size_t chunks_left = 0;
    Event begin;
  };
  size_t chunks_of(int layer) const { return packed_ ? packed_->chunks(layer).size() : filler_.chunks().size(); }
  Slot& slot_of(int64_t position) { return slots_[static_cast<size_t>(position) % slots_.size()]; }
  Load& load_of(int64_t position);
  bool next_task(Task& task);
  bool next_streamed_task(Task& task);
  int64_t issue_limit() const;
  void begin_feed();
  void feed(const Task& task);
  void finish_feed();
  bool is_filled(int64_t position);
  void work();
  void run_worker();
  void leave();
  void convert_and_copy(const Task& task);
  void convert_in_place(const Task& task);
  void expand_to_host(int layer, size_t number, std::byte* out);
  void issue_chunk(const Task& task, TensorView staging, TensorView packed);
  void issue_kept(int64_t position);
  size_t take_staging(std::unique_lock<std::mutex>& lock);
  size_t stage(int layer, size_t chunk, std::unique_lock<std::mutex>& lock);
  bool issue(int64_t position, bool wait_for_host);
  bool is_issued_up_to(int64_t position);
  void rethrow_failure();
  void allocate_slots();
  void make_on_device();
  TensorView device_slab(int layer, int64_t position) const;

  Backend& backend_;
  std::vector<WeightLayout> layouts_;
  const WeightSource& source_;
  LayerStoreOptions options_;
  LayerFiller filler_;
  std::optional<PackedLayers> packed_;  // kPacked, kPackedStream
  size_t slab_bytes_ = 0;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Layer> layers_;
  std::vector<Slot> slots_;
  std::vector<Staging> staging_;
  Tensor merged_;       // kStream that expands on the device: a chunk on its way to the host
  Tensor packed_slot_;  // kPackedStream: a packed layer on the device, before it is expanded
  std::vector<size_t> free_staging_;
  std::deque<size_t> flying_staging_;  // oldest first
  std::vector<std::thread> threads_;
  int working_ = 0;  // threads that may still take a chunk
  std::exception_ptr failure_;
  Task next_;
  Feed feed_;
  int feeding_ = 0, filling_ = 0;  // threads
  bool releases_slots_ = false;
  int64_t fill_begin_ns_ = 0;
  int unfilled_layers_ = 0;  // kept on the host
  std::optional<HostInterval> fill_;
  bool stop_ = false;
  bool made_when_acquired_ = false;  // kOnce, of a source that makes layers on the device: no threads, no copies
  int64_t released_position_ = -1;   // last position released
  int64_t issued_position_ = -1;     // last position whose copy was issued
  int64_t acquired_position_ = -1;
  int64_t last_position_ = INT64_MAX;
  std::vector<DeviceInterval> waits_, copies_;
};

}  // namespace wan
