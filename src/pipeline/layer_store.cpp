#include "pipeline/layer_store.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/threads.h"

namespace wan {

void quiesce(Backend& backend) noexcept {
  try {
    backend.synchronize();
  } catch (const Error&) {
    // A device that failed has nothing in flight any more.
  }
}

namespace {

/// One slab is used while the next is made. A second one in advance keeps the link busy where whole slabs come over it.
int slots_of(const LayerStoreOptions& options, int layers) {
  return is_packed(options.residency) ? 2 : std::clamp(options.slots, 2, std::max(2, layers));
}

std::vector<WeightLayout> checked(std::vector<WeightLayout> layouts) {
  require_op(!layouts.empty(), "a store has at least one layer");
  for (const WeightLayout& layout : layouts)
    require_op(layout.bytes() == layouts.front().bytes(), "all layers of a store have one size");
  return layouts;
}

}  // namespace

LayerStore::LayerStore(Backend& backend, std::vector<WeightLayout> layouts, const WeightSource& source,
                       LayerStoreOptions options)
    : backend_(backend),
      layouts_(checked(std::move(layouts))),
      source_(source),
      options_(std::move(options)),
      filler_(backend, layouts_, source, options_.chunk_bytes,
              options_.expand_on_device.value_or(backend.info().kind != "cpu")) {
  slab_bytes_ = layouts_.front().bytes();
  if (options_.threads <= 0) options_.threads = worker_threads();
  options_.slots = slots_of(options_, layers());
  if (is_packed(options_.residency)) packed_.emplace(layouts_, source_, options_.chunk_bytes);
}

LayerStore::~LayerStore() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  quiesce(backend_);
}

LayerStore::Needs LayerStore::needs(std::span<const WeightLayout> layouts, const WeightSource& source,
                                    const LayerStoreOptions& options, uint64_t granule) {
  const auto given = [&](uint64_t bytes) { return (bytes + granule - 1) / granule * granule; };
  const uint64_t slab = layouts.front().bytes();
  const auto layers = static_cast<int>(layouts.size());
  const uint64_t slots = given(slab) * static_cast<uint64_t>(slots_of(options, layers));
  switch (options.residency) {
    case Residency::kResident: return {given(slab) * layouts.size(), 0};
    case Residency::kStream: return {slots, slab * layouts.size()};
    case Residency::kMapped:
    case Residency::kOnce: return {slots, 0};
    case Residency::kPacked:
    case Residency::kPackedStream: break;
  }
  const PackedLayers packed(layouts, source, options.chunk_bytes);
  Needs needs{slots, 0};
  if (options.residency == Residency::kPacked) {
    for (int layer = 0; layer < layers; ++layer) needs.device += given(packed.bytes(layer));
    return needs;
  }
  return {slots + given(packed.most_bytes()), packed.all_bytes()};
}

void LayerStore::start() {
  const std::string what = options_.component + " weights";
  layers_.resize(layouts_.size());
  for (int i = 0; i < layers(); ++i) {
    Layer& layer = layers_[static_cast<size_t>(i)];
    layer.load.chunks_left = static_cast<int64_t>(chunks_of(i));
    if (is(Residency::kResident) || is(Residency::kPacked))
      layer.device = backend_.allocate(DType::kU8, {static_cast<int64_t>(kept_bytes(i))}, what.c_str());
  }
  const bool can_make = source_.can_make_on_device(layouts_.front());
  if (is(Residency::kResident) && can_make) {
    make_on_device();
    return;
  }
  if (!is(Residency::kResident)) allocate_slots();
  made_when_acquired_ = is(Residency::kOnce) && can_make;
  if (made_when_acquired_) return;
  const bool expands = !packed_ && filler_.expands_on_device();
  if (expands && is(Residency::kStream)) filler_.start({Queue::kCopy, Queue::kFill});
  if (expands && !is(Residency::kStream)) filler_.start({Queue::kCopy});
  size_t staging = packed_ ? packed_->most_chunk_bytes() : filler_.staging_bytes();
  if (is(Residency::kStream))  // through which expanded chunks come back
    for (const LayerFiller::Chunk& chunk : filler_.chunks()) staging = std::max(staging, chunk.bytes());
  if (is(Residency::kStream) && expands)
    merged_ = backend_.allocate(DType::kU8, {static_cast<int64_t>(staging)}, what.c_str());
  staging_.resize(static_cast<size_t>(options_.threads) + 2);
  for (size_t i = 0; i < staging_.size(); ++i) {
    staging_[i].host = backend_.allocate_pinned(DType::kU8, {static_cast<int64_t>(staging)}, "weight staging");
    free_staging_.push_back(i);
  }
  fill_begin_ns_ = monotonic_ns();
  unfilled_layers_ = layers();
  working_ = options_.threads;
  for (int i = 0; i < options_.threads; ++i) threads_.emplace_back([this] { run_worker(); });
}

void LayerStore::make_on_device() {
  std::vector<TensorView> slabs;
  for (const Layer& layer : layers_) slabs.push_back(layer.device);
  filler_.make_on_device(0, slabs);
  for (Layer& layer : layers_) {
    layer.load.ready = backend_.record(Queue::kCompute);
    layer.load.filled = true;
  }
}

void LayerStore::allocate_slots() {
  const std::string what = options_.component + " weights";
  slots_.resize(static_cast<size_t>(options_.slots));
  for (Slot& slot : slots_)
    slot.device = backend_.allocate(DType::kU8, {static_cast<int64_t>(slab_bytes_)}, what.c_str());
  if (is(Residency::kPackedStream))
    packed_slot_ = backend_.allocate(DType::kU8, {static_cast<int64_t>(packed_->most_bytes())}, what.c_str());
}

void LayerStore::release_slots() {
  if (!is_kept_on_host()) return;
  {
    std::unique_lock lock(mutex_);
    releases_slots_ = true;
    feed_.is_on = false;
    changed_.wait(lock, [&] { return stop_ || feeding_ == 0; });
  }
  backend_.synchronize();
  const std::lock_guard lock(mutex_);
  releases_slots_ = false;
  slots_.clear();
  packed_slot_.reset();
  // What was fetched ahead is forgotten; passes begin anew.
  acquired_position_ = issued_position_ = released_position_ = -1;
  last_position_ = INT64_MAX;
}

void LayerStore::run_worker() {
  try {
    backend_.bind_thread();
    work();
    leave();
  } catch (...) {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = std::current_exception();
    stop_ = true;
  }
  changed_.notify_all();
}

void LayerStore::work() {
  Task task;
  while (is_kept_on_host() ? next_streamed_task(task) : next_task(task)) {
    if (task.feeds)
      feed(task);
    else if (is_kept_on_host())
      convert_in_place(task);
    else
      convert_and_copy(task);
  }
}

int64_t LayerStore::issue_limit() const {
  return std::min(released_position_ + static_cast<int64_t>(slots_.size()), last_position_ - 1);
}

/// A chunk that a slot waits for, else one for the host's memory; false when that is full. Half of the threads leave
/// the latter to the others: pages that the machine has not had yet take long, and the device is not to wait for them.
bool LayerStore::next_streamed_task(Task& task) {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (stop_) return false;
    begin_feed();
    if (feed_.is_on && feed_.next_chunk < chunks_of(static_cast<int>(feed_.position % layers()))) {
      task = {feed_.position, feed_.next_chunk++, true};
      ++feeding_;
      return true;
    }
    if (unfilled_layers_ == 0) return false;  // what is fed is in other threads' hands
    if (next_.position < layers() && filling_ < (options_.threads + 1) / 2) {
      task = next_;
      if (++next_.chunk == chunks_of(static_cast<int>(next_.position))) next_ = {next_.position + 1, 0, false};
      ++filling_;
      return true;
    }
    changed_.wait(lock);
  }
}

/// Begins to bring the next layer past the host's memory, where a slot is free for it and it is not there yet.
void LayerStore::begin_feed() {
  if (feed_.is_on || releases_slots_ || slots_.empty()) return;
  const int64_t position = issued_position_ + 1;
  const auto layer = static_cast<int>(position % layers());
  if (position > issue_limit() || layers_[static_cast<size_t>(layer)].load.filled) return;
  feed_ = {true, position, 0, chunks_of(layer), {}};
  const Slot& slot = slot_of(position);
  if (!packed_ && slot.released.valid()) backend_.wait(Queue::kCopy, slot.released);
  feed_.begin = backend_.record(Queue::kCopy);
}

void LayerStore::feed(const Task& task) {
  const auto layer = static_cast<int>(task.position % layers());
  std::unique_lock lock(mutex_);
  const size_t index = stage(layer, task.chunk, lock);
  if (stop_) return;
  if (feed_.is_on && feed_.position == task.position) {
    issue_chunk(task, staging_[index].host, packed_slot_);
    staging_[index].copied = backend_.record(Queue::kCopy);
    flying_staging_.push_back(index);
    if (--feed_.chunks_left == 0) finish_feed();
  } else {
    free_staging_.push_back(index);  // slots were taken back
  }
  --feeding_;
  lock.unlock();
  changed_.notify_all();
}

void LayerStore::finish_feed() {
  const int64_t position = feed_.position;
  const auto layer = static_cast<int>(position % layers());
  Slot& slot = slot_of(position);
  slot.load.ready = backend_.record(Queue::kCopy);
  copies_.push_back({feed_.begin, slot.load.ready, kept_bytes(layer)});
  if (packed_) {
    if (slot.released.valid()) backend_.wait(Queue::kCopy, slot.released);
    packed_->expand(backend_, layer, packed_slot_, slot.device, Queue::kCopy);
    slot.load.ready = backend_.record(Queue::kCopy);
  }
  slot.position = issued_position_ = position;
  feed_.is_on = false;
}

/// The next chunk nobody has taken; false when there will be none. kMapped waits for more passes.
bool LayerStore::next_task(Task& task) {
  std::unique_lock lock(mutex_);
  const bool mapped = is(Residency::kMapped);
  if (mapped) changed_.wait(lock, [&] { return stop_ || next_.position < last_position_; });
  if (stop_ || (!mapped && next_.position == layers())) return false;
  task = next_;
  if (++next_.chunk == chunks_of(static_cast<int>(next_.position % layers()))) next_ = {next_.position + 1, 0};
  return true;
}

void LayerStore::expect_passes(int passes) {
  {
    const std::lock_guard lock(mutex_);
    last_position_ = acquired_position_ + 1 + static_cast<int64_t>(passes) * layers();
  }
  changed_.notify_all();
}

LayerStore::Load& LayerStore::load_of(int64_t position) {
  return passes_through() ? slot_of(position).load : layers_[static_cast<size_t>(position % layers())].load;
}

bool LayerStore::is_filled(int64_t position) {
  return load_of(position).filled && (!passes_through() || slot_of(position).position == position);
}

/// The last thread that finds nothing left to do waits for the copies in flight and frees what they came from.
void LayerStore::leave() {
  std::unique_lock lock(mutex_);
  if (--working_ > 0 || stop_) return;
  const std::vector<Staging> staging = std::exchange(staging_, {});
  lock.unlock();
  for (const Staging& buffer : staging)
    if (buffer.copied.valid()) backend_.synchronize(buffer.copied);
  if (is(Residency::kMapped)) return;
  merged_.reset();
  filler_.finish();
}

size_t LayerStore::take_staging(std::unique_lock<std::mutex>& lock) {
  for (;;) {
    if (stop_) throw Error(ErrorKind::kInterrupted, "loading of " + options_.component + " weights was stopped");
    if (!free_staging_.empty()) {
      const size_t index = free_staging_.back();
      free_staging_.pop_back();
      return index;
    }
    if (!flying_staging_.empty()) {
      const size_t index = flying_staging_.front();
      flying_staging_.pop_front();
      const Event copied = staging_[index].copied;
      lock.unlock();
      backend_.synchronize(copied);
      lock.lock();
      return index;
    }
    changed_.wait(lock);
  }
}

/// Index of the staging memory that then has the chunk. The lock is held but for the filling.
size_t LayerStore::stage(int layer, size_t chunk, std::unique_lock<std::mutex>& lock) {
  const size_t index = take_staging(lock);
  std::byte* const memory = static_cast<std::byte*>(staging_[index].host->data);
  lock.unlock();
  if (packed_)
    packed_->write(layer, packed_->chunks(layer)[chunk], memory);
  else
    filler_.stage(layer, filler_.chunks()[chunk], memory);
  lock.lock();
  return index;
}

/// Puts a staged chunk in the copy queue. Of a packed layer to its place in `packed`.
void LayerStore::issue_chunk(const Task& task, TensorView staging, TensorView packed) {
  const auto layer = static_cast<int>(task.position % layers());
  const auto bytes_of = [](TensorView memory, const auto& chunk) {
    return memory.slice(0, static_cast<int64_t>(chunk.begin), static_cast<int64_t>(chunk.end));
  };
  if (!packed_) {
    const LayerFiller::Chunk& chunk = filler_.chunks()[task.chunk];
    return filler_.issue(layer, chunk, staging, bytes_of(device_slab(layer, task.position), chunk), Queue::kCopy);
  }
  const PackedLayers::Chunk& chunk = packed_->chunks(layer)[task.chunk];
  backend_.copy_bytes(staging.slice(0, 0, static_cast<int64_t>(chunk.bytes())), bytes_of(packed, chunk), Queue::kCopy);
}

void LayerStore::convert_and_copy(const Task& task) {
  const int64_t position = task.position;
  const auto layer = static_cast<int>(position % layers());
  std::unique_lock lock(mutex_);
  const size_t index = stage(layer, task.chunk, lock);
  Staging& staging = staging_[index];
  if (passes_through()) {
    // A slot is free once the layer that used it before was released.
    const int64_t previous = position - static_cast<int64_t>(slots_.size());
    changed_.wait(lock, [&] { return stop_ || released_position_ >= previous; });
    if (stop_) return;
    if (Slot& slot = slot_of(position); slot.position != position) {
      slot.position = position;
      slot.load = {};
      slot.load.chunks_left = static_cast<int64_t>(chunks_of(layer));
      if (previous >= 0) backend_.wait(Queue::kCopy, slot.released);
    }
  }
  if (stop_) return;
  Load& target = load_of(position);
  if (target.chunks_started++ == 0) target.copy_begin = backend_.record(Queue::kCopy);
  issue_chunk(task, staging.host, layers_[static_cast<size_t>(layer)].device);
  staging.copied = backend_.record(Queue::kCopy);
  flying_staging_.push_back(index);
  if (--target.chunks_left == 0) {
    target.ready = backend_.record(Queue::kCopy);
    copies_.push_back({target.copy_begin, target.ready, kept_bytes(layer)});
    target.filled = true;
  }
  lock.unlock();
  changed_.notify_all();
}

/// Expands on the device and brings the result back. In a queue of its own: the copy queue's order would keep it behind
/// layers that wait for a free slot.
void LayerStore::expand_to_host(int layer, size_t number, std::byte* out) {
  std::unique_lock lock(mutex_);
  const LayerFiller::Chunk& chunk = filler_.chunks()[number];
  const size_t index = stage(layer, number, lock);
  Staging& staging = staging_[index];
  const auto length = static_cast<int64_t>(chunk.bytes());
  const TensorView merged = merged_.view().slice(0, 0, length), host = staging.host.view().slice(0, 0, length);
  filler_.issue(layer, chunk, staging.host, merged, Queue::kFill);
  backend_.copy_bytes(merged, host, Queue::kFill);
  staging.copied = backend_.record(Queue::kFill);
  lock.unlock();
  backend_.synchronize(staging.copied);
  std::memcpy(out, host.data, chunk.bytes());
  lock.lock();
  free_staging_.push_back(index);
  lock.unlock();
  changed_.notify_all();
}

void LayerStore::convert_in_place(const Task& task) {
  constexpr const char* kWhat = "streamed weights";
  const auto layer = static_cast<int>(task.position);
  Layer& target = layers_[static_cast<size_t>(layer)];
  {
    const std::lock_guard lock(mutex_);
    if (target.host.empty())  // also after another worker could not have it
      target.host = backend_.allocate_host(DType::kU8, {static_cast<int64_t>(kept_bytes(layer))}, kWhat);
  }
  auto* const memory = static_cast<std::byte*>(target.host->data);
  if (packed_) {
    const PackedLayers::Chunk& chunk = packed_->chunks(layer)[task.chunk];
    packed_->write(layer, chunk, memory + chunk.begin);
  } else {
    const LayerFiller::Chunk& chunk = filler_.chunks()[task.chunk];
    if (filler_.expands_on_device())
      expand_to_host(layer, task.chunk, memory + chunk.begin);
    else
      filler_.write(layer, chunk, memory + chunk.begin);
  }
  std::unique_lock lock(mutex_);
  if (--target.load.chunks_left > 0) {
    --filling_;
    lock.unlock();
    changed_.notify_all();
    return;
  }
  lock.unlock();
  backend_.page_lock(target.host, kWhat);  // beside the other threads, which are at the next layer
  lock.lock();
  --filling_;
  target.load.filled = true;
  if (--unfilled_layers_ == 0) {
    uint64_t bytes = 0;
    for (int i = 0; i < layers(); ++i) bytes += kept_bytes(i);
    fill_ = HostInterval{fill_begin_ns_, monotonic_ns(), bytes};
  }
  lock.unlock();
  changed_.notify_all();
}

TensorView LayerStore::device_slab(int layer, int64_t position) const {
  if (is(Residency::kResident)) return layers_[static_cast<size_t>(layer)].device;
  return slots_[static_cast<size_t>(position) % slots_.size()].device;
}

void LayerStore::rethrow_failure() {
  if (failure_) std::rethrow_exception(failure_);
}

/// Whether the layer of that position is issued then. Without waiting it is where it is kept whole already.
bool LayerStore::issue(int64_t position, bool wait_for_host) {
  const Layer& layer = layers_[static_cast<size_t>(position % layers())];
  std::unique_lock lock(mutex_);
  const auto can_be_issued = [&] { return layer.load.filled && !(feed_.is_on && feed_.position == position); };
  if (wait_for_host) changed_.wait(lock, [&] { return failure_ || issued_position_ >= position || can_be_issued(); });
  rethrow_failure();
  if (issued_position_ >= position) return true;
  if (!can_be_issued()) return false;
  issue_kept(position);
  return true;
}

bool LayerStore::is_issued_up_to(int64_t position) {
  const std::lock_guard lock(mutex_);
  return issued_position_ >= position;
}

/// Copies a layer from where it is kept whole, and expands it.
void LayerStore::issue_kept(int64_t position) {
  const auto index = static_cast<int>(position % layers());
  const Layer& layer = layers_[static_cast<size_t>(index)];
  Slot& slot = slot_of(position);
  const auto wait_for_slot = [&] {
    if (slot.released.valid()) backend_.wait(Queue::kCopy, slot.released);
  };
  TensorView packed = layer.device;
  if (is_kept_on_host()) {
    if (!packed_) wait_for_slot();
    const Event begin = backend_.record(Queue::kCopy);
    if (packed_) packed = packed_slot_.view().slice(0, 0, static_cast<int64_t>(kept_bytes(index)));
    backend_.copy_bytes(layer.host, packed_ ? packed : TensorView(slot.device), Queue::kCopy);
    copies_.push_back({begin, backend_.record(Queue::kCopy), kept_bytes(index)});
  }
  if (packed_) {
    wait_for_slot();
    packed_->expand(backend_, index, packed, slot.device, Queue::kCopy);
  }
  slot.load.ready = backend_.record(Queue::kCopy);
  slot.position = issued_position_ = position;
}

void LayerStore::prefetch() {
  if (!is_issued()) return;
  int64_t next = 0, limit = 0;
  const auto look = [&] {
    const std::lock_guard lock(mutex_);
    if (slots_.empty()) allocate_slots();
    next = issued_position_ + 1;
    limit = issue_limit();
  };
  for (look(); next <= limit && issue(next, false); look()) {
  }
  changed_.notify_all();  // for what is fed past the host's memory
}

TensorView LayerStore::acquire(int index) {
  const int64_t position = ++acquired_position_;
  require_op(position % layers() == index, "layers are acquired in order");
  if (is(Residency::kResident) && layers_[static_cast<size_t>(index)].settled) return device_slab(index, position);
  if (made_when_acquired_) {
    const TensorView slab = device_slab(index, position);
    filler_.make_on_device(index, {&slab, 1});
    return slab;
  }
  Event wait_begin;
  Event ready;
  if (is_issued()) {
    prefetch();
    if (!is_issued_up_to(position)) {
      wait_begin = backend_.record(Queue::kCompute);
      issue(position, true);
    }
    const std::lock_guard lock(mutex_);
    ready = slot_of(position).load.ready;
  } else {
    std::unique_lock lock(mutex_);
    if (!is_filled(position)) {
      lock.unlock();
      wait_begin = backend_.record(Queue::kCompute);
      lock.lock();
      changed_.wait(lock, [&] { return is_filled(position) || failure_; });
    }
    rethrow_failure();
    ready = load_of(position).ready;
    layers_[static_cast<size_t>(index)].settled = true;
  }
  if (wait_begin.valid() || !backend_.ready(ready)) {
    if (!wait_begin.valid()) wait_begin = backend_.record(Queue::kCompute);
    backend_.wait(Queue::kCompute, ready);
    waits_.push_back({wait_begin, backend_.record(Queue::kCompute), 0});
  }
  return device_slab(index, position);
}

void LayerStore::release(int index) {
  if (is(Residency::kResident)) return;
  const int64_t position = acquired_position_;
  require_op(position % layers() == index, "the layer acquired last is released first");
  {
    const std::lock_guard lock(mutex_);
    slot_of(position).released = backend_.record(Queue::kCompute);
    released_position_ = position;
  }
  changed_.notify_all();
  prefetch();
}

void LayerStore::wait_until_loaded() {
  if (passes_through()) return;
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] {
    return failure_ || std::all_of(layers_.begin(), layers_.end(), [](const Layer& l) { return l.load.filled; });
  });
  rethrow_failure();
  lock.unlock();
  if (is_kept_on_host()) return;
  for (const Layer& layer : layers_) backend_.synchronize(layer.load.ready);
}

std::vector<DeviceInterval> LayerStore::take_waits() { return std::exchange(waits_, {}); }

std::vector<DeviceInterval> LayerStore::take_copies() {
  const std::lock_guard lock(mutex_);
  return std::exchange(copies_, {});
}

std::optional<HostInterval> LayerStore::take_fill() {
  const std::lock_guard lock(mutex_);
  return std::exchange(fill_, std::nullopt);
}

uint64_t LayerStore::device_bytes() const {
  uint64_t bytes = slots_.size() * slab_bytes_ + (packed_slot_.empty() ? 0 : packed_slot_->bytes());
  for (const Layer& layer : layers_) bytes += layer.device.empty() ? 0 : layer.device->bytes();
  return bytes;
}

uint64_t LayerStore::pinned_bytes() const {
  const std::lock_guard lock(mutex_);
  uint64_t bytes = 0;
  for (const Staging& staging : staging_) bytes += staging.host.empty() ? 0 : staging.host->bytes();
  for (const Layer& layer : layers_) bytes += layer.host.empty() ? 0 : layer.host->bytes();
  return bytes;
}

}  // namespace wan
