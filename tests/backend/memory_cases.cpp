// Memory, queues and events on every backend.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>

#include "base/error.h"
#include "bench.h"
#include "subject.h"

namespace wan {
namespace {

using BackendMemory = OnBackend;

TEST_F(BackendMemory, InfoNamesTheDevice) {
  const DeviceInfo& info = backend().info();
  EXPECT_TRUE(info.kind == "cpu" || info.kind == "cuda") << info.kind;
  EXPECT_FALSE(info.name.empty());
  EXPECT_FALSE(info.libraries.empty());
  EXPECT_GE(info.multiprocessors, 1);
  EXPECT_GT(backend().free_bytes(), uint64_t{1} << 20);
  EXPECT_LE(backend().free_bytes(), info.total_bytes);
}

TEST_F(BackendMemory, AllocationsAreAlignedAndEmptyOnesAllowed) {
  for (const int64_t count : {0, 1, 255, 100000}) {
    const Tensor a = backend().allocate(DType::kBF16, {count}, "aligned");
    EXPECT_EQ(reinterpret_cast<uintptr_t>(a->data) % Arena::kAlignment, 0u);
    EXPECT_EQ(a->count(), count);
    EXPECT_EQ(backend().allocate_pinned(DType::kF32, {count}, "pinned")->memory, Memory::kHost);
  }
}

TEST_F(BackendMemory, ImpossibleAllocationNamesItsPurpose) {
  try {
    backend().allocate(DType::kF32, {int64_t{1} << 44}, "sixty-four tebibytes");
    FAIL() << "memory that no machine has was given out";
  } catch (const OutOfMemory& error) {
    EXPECT_NE(error.what_for().find("sixty-four tebibytes"), std::string::npos);
    EXPECT_EQ(error.requested_bytes(), uint64_t{1} << 46);
  }
}

TEST_F(BackendMemory, ArenaOverOneBlock) {
  Bench bench(backend(), "arena");
  const Tensor block = backend().allocate(DType::kU8, {64 * 1024}, "arena");
  Arena arena(block);
  const TensorView x = arena.allocate(DType::kF32, {3, 5}), y = arena.allocate(DType::kBF16, {3, 5});
  EXPECT_EQ(x.memory, block->memory);
  EXPECT_NE(x.data, y.data);
  const Operand source = bench.normal(DType::kF32, {3, 5});
  backend().copy(source, x);
  backend().copy(x, y);
  backend().activate(x, Activation::kSilu, x);
  const Tensor got = backend().download(y);
  for (int64_t i = 0; i < 15; ++i) EXPECT_EQ(got->as<float>()[i], rounded(source.at(i), DType::kBF16)) << i;
  EXPECT_THROW(arena.allocate(DType::kF32, {64 * 1024}, "too much"), OutOfMemory);
}

TEST_F(BackendMemory, UploadConvertsAndDownloadPacks) {
  Bench bench(backend(), "transfer");
  const std::vector<double> values = bench.normal_values(24);
  const Tensor host = host_tensor(DType::kF32, {4, 6});
  for (size_t i = 0; i < values.size(); ++i) host->as<float>()[i] = static_cast<float>(values[i]);
  const Tensor device = backend().allocate(DType::kBF16, {4, 6}, "device");
  backend().upload(host, device);
  const Tensor back = backend().download(device->permute({1, 0}));
  EXPECT_EQ(back->shape, (Shape{6, 4}));
  for (int64_t i = 0; i < 6; ++i)
    for (int64_t j = 0; j < 4; ++j)
      EXPECT_EQ(back->as<float>()[i * 4 + j], round_to_bf16(host->as<float>()[j * 6 + i])) << i << " " << j;
}

TEST_F(BackendMemory, CopyBytesRefusesOtherSizes) {
  const Tensor a = backend().allocate(DType::kF32, {8}, "a"), b = backend().allocate(DType::kF32, {9}, "b");
  EXPECT_THROW(backend().copy_bytes(a, b, Queue::kCompute), Error);
  const Tensor wide = backend().allocate(DType::kF32, {8, 2}, "wide");
  EXPECT_THROW(backend().copy_bytes(a, wide->select(1, 0), Queue::kCompute), Error);
}

TEST_F(BackendMemory, CopyQueueAfterComputeQueue) {
  Bench bench(backend(), "queues");
  const Operand x = bench.normal(DType::kF32, {1000});
  const Tensor y = backend().allocate(DType::kF32, {1000}, "y");
  const Tensor pinned = backend().allocate_pinned(DType::kF32, {1000}, "pinned");
  backend().copy(x, y);
  backend().wait(Queue::kCopy, backend().record(Queue::kCompute));
  backend().copy_bytes(y, pinned, Queue::kCopy);
  const Event done = backend().record(Queue::kCopy);
  backend().synchronize(done);
  EXPECT_TRUE(backend().ready(done));
  for (int64_t i = 0; i < 1000; ++i) ASSERT_EQ(pinned->as<float>()[i], x.at(i)) << i;
}

TEST_F(BackendMemory, HostMemoryIsCopiedFromBeforeAndAfterItsLocking) {
  constexpr int64_t kCount = (int64_t{3} << 20) / 4 + 5;  // more than a huge page, not a multiple of one
  const Tensor host = backend().allocate_host(DType::kF32, {kCount}, "host");
  const Tensor on_device = backend().allocate(DType::kF32, {kCount}, "device");
  for (const bool locked : {false, true}) {
    if (locked) backend().page_lock(host, "host");
    for (int64_t i = 0; i < kCount; ++i) host->as<float>()[i] = static_cast<float>(locked ? -i : i);
    backend().copy_bytes(host, on_device, Queue::kCopy);
    backend().synchronize(backend().record(Queue::kCopy));
    const Tensor back = backend().download(on_device);
    for (int64_t i = 0; i < kCount; ++i) ASSERT_EQ(back->as<float>()[i], static_cast<float>(locked ? -i : i)) << locked;
  }
  EXPECT_NO_THROW(backend().allocate_host(DType::kU8, {1}, "never locked"));
}

TEST_F(BackendMemory, DeviceUseCountsWhatIsHeldAndTheMostOfIt) {
  constexpr int64_t kBytes = int64_t{5} << 20;
  const auto before = backend().take_device_use();
  if (!before) {
    EXPECT_EQ(backend().info().kind, "cpu");
    return;
  }
  const Tensor kept = backend().allocate(DType::kU8, {kBytes}, "kept");
  { const Tensor passing = backend().allocate(DType::kU8, {kBytes}, "passing"); }
  const auto after = backend().take_device_use();
  constexpr uint64_t kAlignment = 1024;  // what an allocation may take beyond what was asked
  EXPECT_GE(after->now, before->now + kBytes);
  EXPECT_LE(after->now, before->now + kBytes + kAlignment);
  EXPECT_GE(after->peak, before->now + 2 * kBytes);
  EXPECT_EQ(backend().take_device_use()->peak, after->now);
}

TEST_F(BackendMemory, TyingTheClocksAnewKeepsTheOrderOfEvents) {
  const Event before = backend().record(Queue::kCompute);
  backend().synchronize(before);
  const int64_t at_ns = backend().event_time_ns(before);
  const auto drift = backend().retie_clocks();
  if (!drift) {
    EXPECT_EQ(backend().info().kind, "cpu");
    return;
  }
  constexpr int64_t kFewMs = 5'000'000;  // the clocks were tied when the backend was made, seconds ago at most
  EXPECT_LT(std::abs(drift->residual_ns), kFewMs);
  EXPECT_LT(drift->uncertainty_ns, kFewMs);
  const Event after = backend().record(Queue::kCompute);
  backend().synchronize(after);
  EXPECT_GT(backend().event_time_ns(after), at_ns);
}

TEST_F(BackendMemory, EventTimesFollowTheOrderOfWork) {
  Bench bench(backend(), "events");
  const Operand x = bench.normal(DType::kF32, {64, 512}), weight = bench.normal(DType::kF32, {512, 512});
  const Operand y = bench.blank(DType::kF32, {64, 512});
  const Event before = backend().record(Queue::kCompute);
  for (int i = 0; i < 4; ++i) backend().linear(x, weight, {}, Activation::kNone, y);
  const Event after = backend().record(Queue::kCompute);
  backend().synchronize();
  ASSERT_TRUE(before.valid());
  EXPECT_TRUE(backend().ready(before) && backend().ready(after));
  EXPECT_GT(backend().event_time_ns(after), backend().event_time_ns(before));
}

}  // namespace
}  // namespace wan
