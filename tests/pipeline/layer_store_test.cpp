// Layers arrive whole and in order in every residency, whatever the threads do; failures and early ends do not hang.
#include "pipeline/layer_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <tuple>

#include <fmt/format.h>

#include "base/error.h"
#include "eventually.h"
#include "model/weight_file.h"

namespace wan {
namespace {

constexpr int kLayers = 5;
constexpr size_t kSmallChunk = 1024;  // many chunks a layer, which straddle slots and parts

/// Two stacked matrices in bf16, a vector in F32: odd sizes, so that slots end within chunks.
WeightLayout layout_of(int layer) {
  WeightLayout layout;
  const Initializer init{0, 1};
  layout.add("stacked", DType::kBF16, {31, 67},
             {WeightLayout::Source{fmt::format("{}.a", layer), {10, 67}, init},
              WeightLayout::Source{fmt::format("{}.b", layer), {21, 67}, init}});
  layout.add("vector", DType::kF32, {331}, fmt::format("{}.v", layer), init);
  return layout;
}

std::vector<WeightLayout> layouts() {
  std::vector<WeightLayout> out;
  for (int i = 0; i < kLayers; ++i) out.push_back(layout_of(i));
  return out;
}

void expect_layer_of(const WeightSource& source, const TensorView& slab, const WeightLayout& layout) {
  ASSERT_EQ(slab.bytes(), layout.bytes());
  for (const WeightSlot& slot : layout.slots())
    for (const WeightPart& part : slot.parts) {
      const size_t size = size_of(slot.dtype);
      std::vector<std::byte> expected(static_cast<size_t>(part.shape.count()) * size);
      source.read(part, 0, part.shape.count(), slot.dtype, expected.data());
      const auto* found =
          static_cast<const std::byte*>(slab.data) + slot.offset + static_cast<size_t>(part.element_offset) * size;
      EXPECT_EQ(std::memcmp(found, expected.data(), expected.size()), 0) << part.source;
    }
}

class LayerStoreTest : public testing::TestWithParam<Residency> {
 protected:
  LayerStoreOptions options(int threads) const { return {GetParam(), 3, threads, "test", kSmallChunk}; }
  std::unique_ptr<LayerStore> store(int threads = 4) {
    return std::make_unique<LayerStore>(*backend_, layouts(), source_, options(threads));
  }
  /// Of a layer where all layers are kept. A packed one begins each weight at a multiple of 256 bytes.
  uint64_t kept_bytes() const {
    if (!is_packed(GetParam())) return layout_of(0).bytes();
    return PackedLayers(layouts(), source_, kSmallChunk).bytes(0);
  }
  int passes() const { return GetParam() == Residency::kOnce ? 1 : 4; }

  void expect_layer(const TensorView& slab, int layer) const { expect_layer_of(source_, slab, layout_of(layer)); }
  void expect_pass(LayerStore& layers) const {
    for (int i = 0; i < kLayers; ++i) {
      const TensorView slab = layers.acquire(i);
      layers.prefetch();  // must leave the layer in use alone
      expect_layer(slab, i);
      layers.release(i);
    }
  }
  /// Workers free the staging memory when they are done with everything, soon after the last layer arrived.
  static uint64_t pinned_bytes_in_the_end(const LayerStore& layers, uint64_t expected) {
    test::eventually([&] { return layers.pinned_bytes() == expected; });
    return layers.pinned_bytes();
  }

  static std::ptrdiff_t threads_of_this_process() {
    return std::distance(std::filesystem::directory_iterator("/proc/self/task"), {});
  }

  std::unique_ptr<Backend> backend_ = make_backend({"cpu", 1, {}});
  // Values as a file of BF16 holds them: in the F32 slot they cannot be made on the device, so all go the way of a
  // file's.
  WeightSource source_ = WeightSource::random(3, DType::kBF16);
};

TEST_P(LayerStoreTest, DeliversEveryLayerInEveryPass) {
  for (const int threads : {1, 2, 7}) {
    const auto layers = store(threads);
    layers->start();
    for (int pass = 0; pass < passes(); ++pass) expect_pass(*layers);
  }
}

TEST_P(LayerStoreTest, DeliversAfterEverythingWasLoaded) {
  const auto layers = store();
  layers->start();
  layers->wait_until_loaded();
  expect_pass(*layers);
}

TEST_P(LayerStoreTest, ReportsOneCopyForEachLayerThatMoved) {
  const auto layers = store();
  layers->expect_passes(passes());
  layers->start();
  for (int pass = 0; pass < passes(); ++pass) expect_pass(*layers);
  const bool again = is_streamed(GetParam()) || GetParam() == Residency::kMapped;
  const size_t moves = kLayers * static_cast<size_t>(again ? passes() : 1);
  const std::vector<DeviceInterval> copies = layers->take_copies();
  EXPECT_EQ(copies.size(), moves) << "nothing is fetched after the last pass";
  for (const DeviceInterval& copy : copies) EXPECT_EQ(copy.bytes, kept_bytes());
  EXPECT_TRUE(layers->take_copies().empty());
}

TEST_P(LayerStoreTest, HoldsTheMemoryItPlannedAndFreesItsStaging) {
  const auto layers = store();
  layers->start();
  expect_pass(*layers);
  const LayerStore::Needs needs = LayerStore::needs(layouts(), source_, options(4));
  EXPECT_EQ(layers->device_bytes(), needs.device);
  EXPECT_EQ(needs.pinned, is_streamed(GetParam()) ? kLayers * kept_bytes() : 0);
  // kMapped keeps its staging for the next pass: a chunk for each thread and two in flight.
  const uint64_t kept = GetParam() == Residency::kMapped ? 6 * kSmallChunk : needs.pinned;
  EXPECT_EQ(pinned_bytes_in_the_end(*layers, kept), kept);
}

TEST_P(LayerStoreTest, AnotherVideoFollowsTheFirst) {
  const auto layers = store();
  layers->start();
  for (int video = 0; video < (GetParam() == Residency::kOnce ? 1 : 3); ++video) {
    layers->expect_passes(passes());
    for (int pass = 0; pass < passes(); ++pass) expect_pass(*layers);
    layers->release_slots();
  }
}

TEST_P(LayerStoreTest, SaysOnceWhatFillingTheHostMemoryTook) {
  const auto layers = store();
  layers->start();
  expect_pass(*layers);
  layers->wait_until_loaded();
  const auto fill = layers->take_fill();
  ASSERT_EQ(fill.has_value(), is_streamed(GetParam()));
  if (!fill) return;
  EXPECT_EQ(fill->bytes, kLayers * kept_bytes());
  EXPECT_LE(fill->begin_ns, fill->end_ns);
  EXPECT_FALSE(layers->take_fill().has_value());
}

TEST_P(LayerStoreTest, AWorkersFailureSurfacesInAcquire) {
  const WeightFile nothing;
  const WeightSource missing = WeightSource::from_file(nothing);
  try {
    LayerStore layers(*backend_, layouts(), missing, options(3));  // where packed layers are laid out
    layers.start();
    layers.acquire(0);
    ADD_FAILURE() << "there is no such tensor";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("0.")) << "names the missing tensor";
  }
}

TEST_P(LayerStoreTest, EndsWhileLoading) {
  constexpr int kSlots = 2;
  // Large enough that threads are busy, or wait for slots nobody releases, when the store goes.
  std::vector<WeightLayout> large;
  for (int i = 0; i < 8; ++i) {
    WeightLayout layout;
    layout.add("matrix", DType::kF32, {256, 1024}, fmt::format("{}", i), {0, 1});
    large.push_back(layout);
  }
  const bool waits_for_slots = GetParam() == Residency::kMapped || GetParam() == Residency::kOnce;
  const std::ptrdiff_t threads = threads_of_this_process();
  for (int round = 0; round < 20; ++round) {
    {
      LayerStore layers(*backend_, large, source_, {GetParam(), kSlots, 1 + round % 4, "test", size_t{1} << 14});
      layers.start();
      if (round % 2 == 1) expect_layer_of(source_, layers.acquire(0), large[0]);
      const size_t copies = layers.take_copies().size();
      EXPECT_TRUE(!waits_for_slots || copies <= size_t{kSlots}) << copies << " copies, and no slot was released";
    }
    EXPECT_TRUE(test::eventually([&] { return threads_of_this_process() == threads; })) << "round " << round;
  }
}

TEST_P(LayerStoreTest, NeverStartedHasTakenNothing) {
  const std::ptrdiff_t threads = threads_of_this_process();
  const auto layers = store();
  layers->expect_passes(1);
  EXPECT_EQ(layers->device_bytes(), 0u);
  EXPECT_EQ(layers->pinned_bytes(), 0u);
  EXPECT_EQ(threads_of_this_process(), threads);
  EXPECT_TRUE(layers->take_copies().empty());
  EXPECT_TRUE(layers->take_waits().empty());
  EXPECT_FALSE(layers->take_fill().has_value());
}

std::string name_of(const testing::TestParamInfo<Residency>& residency) {
  constexpr std::array kNames{"Resident", "Packed", "Stream", "PackedStream", "Mapped", "Once"};
  return kNames[static_cast<size_t>(residency.param)];
}

INSTANTIATE_TEST_SUITE_P(Residencies, LayerStoreTest,
                         testing::Values(Residency::kResident, Residency::kPacked, Residency::kStream,
                                         Residency::kPackedStream, Residency::kMapped, Residency::kOnce),
                         name_of);

class StreamedLayers : public LayerStoreTest {};

/// A matrix in bf16, a short vector in F32, which is left to the host where the file would hold BF16.
WeightLayout with_vector(int layer) {
  WeightLayout layout;
  const Initializer init{0, 1};
  layout.add("matrix", DType::kBF16, {31, 67}, fmt::format("{}.a", layer), init);
  layout.add("vector", DType::kF32, {20}, fmt::format("{}.v", layer), init);
  return layout;
}

class MadeOnTheDevice : public testing::TestWithParam<std::tuple<Residency, DType>> {};

TEST_P(MadeOnTheDevice, RandomWeightsAreThoseOfTheHost) {
  const auto [residency, stored] = GetParam();
  const auto backend = make_backend({"cpu", 1, {}});
  const WeightSource source = WeightSource::random(3, stored);
  std::vector<WeightLayout> all;
  for (int i = 0; i < kLayers; ++i) all.push_back(with_vector(i));
  LayerStore layers(*backend, all, source, {residency, 2, 4, "test", kSmallChunk});
  layers.start();
  layers.wait_until_loaded();
  EXPECT_EQ(layers.pinned_bytes(), 0u);
  for (int i = 0; i < kLayers; ++i) {
    expect_layer_of(source, layers.acquire(i), with_vector(i));
    layers.release(i);
  }
  EXPECT_TRUE(layers.take_copies().empty()) << "nothing crossed the bus";
}

/// Layers that pass through, or come back to the host: by chunks, on the copy queue.
TEST(StreamedRandomLayers, AreMadeOnTheDevice) {
  const auto backend = make_backend({"cpu", 1, {}});
  const WeightSource source = WeightSource::random(3);
  for (const Residency residency : {Residency::kStream, Residency::kMapped}) {
    LayerStore layers(*backend, layouts(), source, {residency, 2, 4, "test", kSmallChunk, true});
    layers.start();
    for (int pass = 0; pass < 3; ++pass)
      for (int i = 0; i < kLayers; ++i) {
        expect_layer_of(source, layers.acquire(i), layout_of(i));
        layers.release(i);
      }
  }
}

INSTANTIATE_TEST_SUITE_P(Residencies, MadeOnTheDevice,
                         testing::Combine(testing::Values(Residency::kResident, Residency::kOnce),
                                          testing::Values(DType::kF32, DType::kBF16)));

TEST_P(StreamedLayers, SlotsComeBackAfterTheyWereReleased) {
  const auto layers = store();
  layers->start();
  layers->expect_passes(2);
  expect_pass(*layers);
  expect_pass(*layers);
  layers->wait_until_loaded();
  layers->release_slots();
  EXPECT_EQ(layers->device_bytes(), 0u);
  layers->take_copies();
  layers->expect_passes(1);
  layers->prefetch();
  EXPECT_EQ(layers->take_copies().size(), is_packed(GetParam()) ? 2u : 3u) << "as many as there are slots";
  expect_pass(*layers);
}

TEST_P(StreamedLayers, SlotsMayBeReleasedWithinAPass) {
  const auto layers = store();
  layers->start();
  for (int i = 0; i < 2; ++i) {
    layers->acquire(i);
    layers->release(i);
  }
  layers->release_slots();
  expect_pass(*layers);
}

INSTANTIATE_TEST_SUITE_P(Residencies, StreamedLayers, testing::Values(Residency::kStream, Residency::kPackedStream),
                         name_of);

}  // namespace
}  // namespace wan
