// The CUDA module's boundary, with invented modules: what is refused, and that types and state are the program's own.
#include "backend/cuda_module.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/build_info.h"
#include "base/error.h"

namespace wan {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;
using Tells = LibraryRequirement::Tells;

const CudaInterface& fake() {
  static const CudaModule module = load_cuda_module(FAKE_MODULE);
  require(module.interface != nullptr, module.problem);
  return *module.interface;
}

std::string refusal(const fs::path& path) {
  const CudaModule module = load_cuda_module(path);
  EXPECT_EQ(module.interface, nullptr);
  EXPECT_EQ(module.path, path);
  return module.problem;
}

TEST(CudaModule, OfThisBuildAnswers) {
  EXPECT_EQ(fake().problem(0), std::nullopt);
  EXPECT_EQ(fake().problem(3), "device 3 is invented");
  EXPECT_STREQ(fake().architectures, "80");
}

TEST(CudaModule, WhatItMakesIsTheProgramsType) {
  const std::unique_ptr<Backend> made = fake().make(0, {});
  const std::unique_ptr<Backend> own = make_dry_backend();
  const Backend &a = *made, &b = *own;
  EXPECT_EQ(typeid(a), typeid(b));
  EXPECT_EQ(&typeid(a), &typeid(b));  // one table, not two of one name
  const Tensor tensor = made->allocate(DType::kF32, {3}, "a tensor of the module");
  EXPECT_EQ(made->internal_bytes(), own->internal_bytes() + 3 * size_of(DType::kF32));
}

TEST(CudaModule, ErrorsAreCaughtByType) {
  try {
    fake().make(1, {});
    FAIL() << "nothing was thrown";
  } catch (const OutOfMemory& error) {
    EXPECT_EQ(error.what_for(), "an invented buffer");
    EXPECT_EQ(error.requested_bytes(), 20u);
    EXPECT_EQ(error.advice(), "use less");
  }
  BackendOptions options;
  options.tuning_table = "table.txt";
  try {
    fake().make(2, options);
    FAIL() << "nothing was thrown";
  } catch (const OutOfMemory&) {
    FAIL() << "the wrong type";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInput);
    EXPECT_STREQ(error.what(), "table.txt is no table");
  }
}

TEST(CudaModule, SharesTheProgramsState) {
  EXPECT_EQ(fake().tune(0, {}, 0).at(0), fmt::format("{}", static_cast<const void*>(&build_info())));
}

TEST(CudaModule, OfAnotherInterfaceIsRefused) {
  EXPECT_THAT(refusal(FAKE_OTHER_INTERFACE),
              HasSubstr(fmt::format("has interface version 99 and this program needs {}", kCudaInterfaceVersion)));
}

TEST(CudaModule, OfAnotherBuildIsRefused) {
  const std::string said = refusal(FAKE_OTHER_BUILD);
  EXPECT_THAT(said,
              HasSubstr("is of another build (wanbench 0.0.1) than this program (" + std::string(build_identity())));
  EXPECT_THAT(said, HasSubstr("install program and module of one build"));
}

TEST(CudaModule, WithoutTheEntryIsNone) {
  EXPECT_THAT(refusal(FAKE_LIBRARY), HasSubstr("is no CUDA module of wanbench: it lacks wan_cuda_interface"));
}

TEST(CudaModule, ThatIsMissingIsSaid) {
  EXPECT_THAT(refusal("/nowhere/wan_cuda.so"), HasSubstr("/nowhere/wan_cuda.so"));
}

TEST(CudaModule, TellsBuildsApartByVersionRevisionAndInterface) {
  EXPECT_THAT(std::string(build_identity()), HasSubstr("wanbench " + build_info().version));
  EXPECT_THAT(std::string(build_identity()), HasSubstr("revision " + build_info().revision));
  EXPECT_THAT(std::string(build_identity()), testing::ContainsRegex("interface [0-9a-f]{12},"));
}

TEST(CudaModule, IsLookedForBelowTheProgramAndWhereItIsInstalled) {
  EXPECT_THAT(cuda_module_places("/opt/w/bin", {"../lib/wanbench/wan_cuda.so", "/usr/lib/wanbench/wan_cuda.so"}),
              testing::ElementsAre("/opt/w/bin/lib/wanbench/wan_cuda.so", "/opt/w/lib/wanbench/wan_cuda.so",
                                   "/usr/lib/wanbench/wan_cuda.so"));
}

/// What is said of the invented library, which tells 13.2, when `wanted` of it.
LibraryFinding found(const LibraryRequirement& wanted) {
  return load_libraries({wanted}, {fs::path(FAKE_LIBRARY).parent_path()}).at(0);
}

LibraryRequirement wanted(const std::string& function, Tells tells, int major, int minor) {
  return {fs::path(FAKE_LIBRARY).filename().string(), function, tells, 1000, 10, major, minor};
}

TEST(CudaLibraries, TellTheirVersionInThreeWays) {
  for (const LibraryRequirement& one :
       {wanted("fake_fills_one", Tells::kFillsOne, 13, 2), wanted("fake_fills_two", Tells::kFillsTwo, 13, 0),
        wanted("fake_returns", Tells::kReturns, 13, 1)}) {
    const LibraryFinding finding = found(one);
    EXPECT_EQ(finding.version, "13.2") << one.function;
    EXPECT_THAT(finding.problem, IsEmpty());
    EXPECT_EQ(finding.library.path, FAKE_LIBRARY);
  }
}

TEST(CudaLibraries, TooOldOrOfAnotherMajorVersionAreNamedWithBoth) {
  EXPECT_THAT(found(wanted("fake_returns", Tells::kReturns, 13, 3)).problem,
              HasSubstr(std::string(FAKE_LIBRARY) + " is version 13.2 and this build needs 13.3 or a later 13.x"));
  EXPECT_THAT(found(wanted("fake_returns", Tells::kReturns, 12, 0)).problem,
              HasSubstr("is version 13.2 and this build needs 12.0"));
}

TEST(CudaLibraries, ThatDoNotTellOrAreMissingAreNamed) {
  EXPECT_THAT(found(wanted("fake_fails", Tells::kFillsOne, 13, 2)).problem,
              HasSubstr("does not tell its version (fake_fails)"));
  EXPECT_THAT(found(wanted("fake_lacks", Tells::kReturns, 13, 2)).problem,
              HasSubstr("does not tell its version (fake_lacks)"));
  LibraryRequirement missing = wanted("fake_returns", Tells::kReturns, 13, 2);
  missing.soname = "libwan_no_such.so.1";
  const std::string said = found(missing).problem;
  EXPECT_THAT(said, HasSubstr("libwan_no_such.so.1 is not in " + fs::path(FAKE_LIBRARY).parent_path().string()));
  EXPECT_THAT(said, HasSubstr("WANBENCH_CUDA_LIBRARIES"));
}

}  // namespace
}  // namespace wan
