// Memory, queues and events of the CPU backend: blocks of host memory, copies done on the spot, events that are times.
#include <cstdlib>
#include <cstring>

#include "backend/cpu/cpu_backend.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/machine.h"

namespace wan::cpu {

uint64_t CpuBackend::free_bytes() const { return available_host_bytes(); }

Tensor CpuBackend::allocate(DType dtype, const Shape& shape, const char* what) {
  // Linux promises memory it does not have and kills later, so that large requests are held to what is free.
  constexpr size_t kAskFrom = size_t{16} << 20;
  const size_t bytes = static_cast<size_t>(shape.count()) * size_of(dtype);
  if (bytes >= kAskFrom && bytes > available_host_bytes()) throw OutOfMemory(what, bytes, available_host_bytes());
  const size_t rounded = (bytes / Arena::kAlignment + 1) * Arena::kAlignment;
  void* data = std::aligned_alloc(Arena::kAlignment, rounded);
  if (data == nullptr) throw OutOfMemory(what, bytes, available_host_bytes());
  return {TensorView(data, dtype, shape, Memory::kHost), [](void* p) { std::free(p); }};
}

Tensor CpuBackend::allocate_pinned(DType dtype, const Shape& shape, const char* what) {
  return allocate(dtype, shape, what);
}

void CpuBackend::copy_bytes(TensorView from, TensorView to, Queue) {
  require_op(from.is_contiguous() && to.is_contiguous() && from.bytes() == to.bytes(),
             "both sides must be contiguous and of equal size, found " + from.shape.text() + " and " + to.shape.text());
  if (from.bytes() > 0) std::memmove(to.data, from.data, from.bytes());
}

Event CpuBackend::record(Queue) { return {std::make_shared<int64_t>(monotonic_ns())}; }
void CpuBackend::wait(Queue, const Event&) {}
bool CpuBackend::ready(const Event&) { return true; }
void CpuBackend::synchronize(const Event&) {}
void CpuBackend::synchronize() {}

int64_t CpuBackend::event_time_ns(const Event& event) {
  require_op(event.valid(), "the event was never recorded");
  return *static_cast<const int64_t*>(event.handle.get());
}

uint64_t CpuBackend::internal_bytes() const {
  uint64_t bytes = 0;
  for (const auto& buffer : scratch_) bytes += buffer.capacity() * sizeof(float);
  return bytes;
}

float* CpuBackend::scratch(Slot slot, int64_t floats) {
  std::vector<float>& buffer = scratch_[static_cast<size_t>(slot)];
  if (buffer.size() < static_cast<size_t>(floats)) {
    buffer.clear();
    try {
      buffer.resize(static_cast<size_t>(floats));
    } catch (const std::bad_alloc&) {
      throw OutOfMemory("CPU scratch", static_cast<size_t>(floats) * sizeof(float), available_host_bytes());
    }
  }
  return buffer.data();
}

}  // namespace wan::cpu
