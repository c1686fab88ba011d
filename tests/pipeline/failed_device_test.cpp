// A device that fails for good ends the request with its error, not the process: what is taken apart afterwards does
// not throw.
#include <gtest/gtest.h>

#include "../sampler/host_backend.h"
#include "pipeline/layer_store.h"

namespace wan {
namespace {

class FailedBackend final : public HostBackend {
 public:
  int asked = 0;
  void synchronize() override {
    ++asked;
    throw Error("the device has failed");
  }
};

TEST(FailedDevice, AStoreGoesWithoutAnError) {
  FailedBackend backend;
  const WeightSource source = WeightSource::shapes_only();
  WeightLayout layout;
  layout.add("vector", DType::kF32, {8}, "v", {});
  std::vector<WeightLayout> layouts;
  layouts.push_back(std::move(layout));
  { const LayerStore store(backend, std::move(layouts), source, {}); }
  EXPECT_EQ(backend.asked, 1) << "work may be in flight on memory that goes away";
}

}  // namespace
}  // namespace wan
