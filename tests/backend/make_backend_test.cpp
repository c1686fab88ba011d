// The factory: which devices it makes, and what it says about those it cannot.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backend/backend.h"
#include "base/error.h"

namespace wan {
namespace {

using testing::HasSubstr;

BackendOptions on(const std::string& device, int threads = 0) {
  BackendOptions options;
  options.device = device;
  options.cpu_threads = threads;
  return options;
}

std::string refusal(const BackendOptions& options) {
  try {
    make_backend(options);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "device '" << options.device << "' was accepted";
  return {};
}

TEST(MakeBackend, MakesTheCpuBackend) {
  const auto backend = make_backend(on("cpu", 2));
  EXPECT_EQ(backend->info().kind, "cpu");
  EXPECT_THAT(backend->info().libraries, HasSubstr("oneDNN 2."));
  EXPECT_TRUE(backend->info().uuid.empty());
}

TEST(MakeBackend, RefusesUnknownDevices) {
  for (const char* device : {"", "tpu", "CPU", "cpu:0", "cuda:", "cuda:x", "cuda:-1", "cuda0", "cuda:1x"})
    EXPECT_THAT(refusal(on(device)), HasSubstr("is unknown")) << device;
}

TEST(MakeBackend, SaysWhyACudaDeviceCannotBeUsed) {
  EXPECT_THAT(refusal(on("cuda:9999")), HasSubstr("cuda:9999 cannot be used: "));
}

TEST(MakeBackend, RefusesNegativeThreads) { EXPECT_THAT(refusal(on("cpu", -1)), HasSubstr("threads")); }

}  // namespace
}  // namespace wan
