// Where NVIDIA's libraries are looked for, in which order, and what is said when one is missing or does not load.
#include "base/nvidia_libraries.h"

#include <unistd.h>

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wan {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class NvidiaLibraries : public testing::Test {
 protected:
  NvidiaLibraries() : root_(fs::temp_directory_path() / ("wan_nvidia_" + std::to_string(getpid()))) {
    fs::create_directories(root_ / "usr/local");
    places_.system = root_;
  }
  ~NvidiaLibraries() override { fs::remove_all(root_); }

  fs::path folder(const fs::path& below) {
    fs::create_directories(root_ / below);
    return root_ / below;
  }

  fs::path root_;
  LibraryPlaces places_;
};

TEST_F(NvidiaLibraries, AreLookedForInTheSystemWhereNothingElseIs) {
  EXPECT_THAT(library_folders(places_), ElementsAre(fs::path()));
}

TEST_F(NvidiaLibraries, AreLookedForInTheDocumentedOrder) {
  const fs::path named = folder("named"), program = folder("opt/bin"), beside = folder("opt/bin/lib"),
                 above = folder("opt/lib");
  const fs::path toolkit = folder("usr/local/cuda/lib64"), cupti = folder("usr/local/cuda/extras/CUPTI/lib64");
  const fs::path venv = folder("venv/lib/python3.11/site-packages/nvidia/cudnn/lib");
  const fs::path user = folder("home/.local/lib/python3.12/site-packages/nvidia/cu13/lib");
  const fs::path local = folder("usr/local/lib/python3.12/dist-packages/nvidia/cublas/lib");
  places_.named = named.string();
  places_.program = program;
  places_.virtual_environment = (root_ / "venv").string();
  places_.home = (root_ / "home").string();
  EXPECT_THAT(library_folders(places_),
              ElementsAre(named, program, beside, above, fs::path(), toolkit, cupti, venv, user, local));
}

TEST_F(NvidiaLibraries, NamedFoldersMayBeASitePackagesOrItsNvidiaFolder) {
  const fs::path cublas = folder("packages/nvidia/cublas/lib"), cudnn = folder("packages/nvidia/cudnn/lib");
  const fs::path packages = root_ / "packages";
  places_.named = packages.string() + "::/nowhere";
  EXPECT_THAT(library_folders(places_), ElementsAre(packages, cublas, cudnn, fs::path()));
  places_.named = (packages / "nvidia").string();
  EXPECT_THAT(library_folders(places_), ElementsAre(packages / "nvidia", cublas, cudnn, fs::path()));
}

TEST_F(NvidiaLibraries, ComeFromTheFirstFolderThatHasThem) {
  const fs::path first = folder("first"), second = folder("second"), third = folder("third");
  fs::copy_file(WAN_FAKE_LIBRARY, second / "libwan_fake.so.7");
  fs::copy_file(WAN_FAKE_LIBRARY, third / "libwan_fake.so.7");
  const NvidiaLibrary library = load_nvidia_library("libwan_fake.so.7", Symbols::kPrivate, {first, second, third});
  ASSERT_TRUE(library.loaded()) << library.problem;
  EXPECT_EQ(library.path, second / "libwan_fake.so.7");
  EXPECT_THAT(library.problem, IsEmpty());
  ASSERT_NE(library.function<int()>("wan_fake_version"), nullptr);
  EXPECT_EQ(library.function<int()>("wan_fake_version")(), 7);
  EXPECT_EQ(library.function<int()>("wan_fake_lacks_this"), nullptr);
}

TEST_F(NvidiaLibraries, MissingOnesNameEveryPlace) {
  const fs::path first = folder("first");
  const NvidiaLibrary library = load_nvidia_library("libwan_no_such.so.1", Symbols::kPrivate, {first, {}});
  EXPECT_FALSE(library.loaded());
  EXPECT_EQ(library.problem, "libwan_no_such.so.1 is not in " + first.string() + ", the system's library path");
  EXPECT_EQ(library.function<int()>("anything"), nullptr);
}

TEST_F(NvidiaLibraries, AFileThatDoesNotLoadIsSaidAndTheNextTaken) {
  const fs::path broken = folder("broken"), good = folder("good");
  std::ofstream(broken / "libwan_broken.so.7") << "no library";
  EXPECT_THAT(load_nvidia_library("libwan_broken.so.7", Symbols::kPrivate, {broken}).problem,
              HasSubstr((broken / "libwan_broken.so.7").string() + ": file too short"));
  fs::copy_file(WAN_FAKE_LIBRARY, good / "libwan_broken.so.7");
  EXPECT_EQ(load_nvidia_library("libwan_broken.so.7", Symbols::kPrivate, {broken, good}).path,
            good / "libwan_broken.so.7");
}

TEST_F(NvidiaLibraries, OneThatWillNotDoIsLeftForTheNext) {
  const fs::path old = folder("old"), fit = folder("fit");
  for (const fs::path& place : {old, fit}) fs::copy_file(WAN_FAKE_LIBRARY, place / "libwan_two.so.1");
  const auto objection = [&](const NvidiaLibrary& tried) {
    return tried.path.parent_path() == old ? tried.path.string() + " is old" : std::string();
  };
  EXPECT_EQ(load_nvidia_library("libwan_two.so.1", Symbols::kPrivate, {old, fit}, objection).path,
            fit / "libwan_two.so.1");
  const NvidiaLibrary none = load_nvidia_library("libwan_two.so.1", Symbols::kPrivate, {old}, objection);
  EXPECT_FALSE(none.loaded());
  EXPECT_THAT(none.problem, HasSubstr("libwan_two.so.1 is old"));
}

TEST_F(NvidiaLibraries, WheelsBesideThePythonOfThePathAreFound) {
  LibraryPlaces places;
  places.python = root_;
  const fs::path wheel = folder("lib/python3.12/site-packages/nvidia/cudnn/lib");
  EXPECT_THAT(library_folders(places), testing::Contains(wheel));
}

}  // namespace
}  // namespace wan
