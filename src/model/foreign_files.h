// Files that are no weights of this family, or not whole: what they are, by which evidence, and what to do. Nothing
// here reads weights; find_checkpoint_files asks it first.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace wan {

enum class ForeignKind {
  kLora,          // a change to a model, in a file or a folder
  kOtherModel,    // Wan2.1, or another model of the name, in any of these forms
  kPart,          // of a checkpoint in the official layout or that of diffusers: a file, an expert's folder
  kPointer,       // of git-lfs or git-annex in place of a weight file
  kHalfDownload,  // fewer bytes than the header says, missing shards, what a download leaves while it goes on
  kOtherFile,     // no weights that are known here
};

struct ForeignFiles {
  ForeignKind kind = ForeignKind::kOtherFile;
  std::filesystem::path path;  // that was named
  std::string what;            // "a LoRA"
  std::string evidence;        // what shows it
  std::string reason;          // why it is not read
  std::string advice;          // what to do

  /// All of it in four lines, fit for an error.
  std::string message() const;
};

/// What `checkpoint` is, a file or a folder, where it holds no weights that are read, or not all of them. Nothing where
/// nothing tells, or where nothing is. Reads headers and small files of JSON only, at most
/// kMostLooked files of a folder. Throws Error(kInput), naming the file, for one whose header contradicts its kind.
std::optional<ForeignFiles> find_foreign_files(const std::filesystem::path& checkpoint);

/// The same of what is known to be a file, or a folder.
std::optional<ForeignFiles> foreign_file(const std::filesystem::path& file);
std::optional<ForeignFiles> foreign_folder(const std::filesystem::path& folder);

/// Why a file of weights is not what it should be, a pointer or half a download; nothing for one that seems whole and
/// for one that is not there.
std::optional<ForeignFiles> damaged_weights(const std::filesystem::path& file);

inline constexpr size_t kMostLooked = 64;

}  // namespace wan
