#include "cli/request_options.h"

#include <algorithm>
#include <concepts>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "base/error.h"
#include "base/log.h"
#include "cli/numbers.h"
#include "pipeline/guidance.h"
#include "pipeline/request_text.h"

namespace wan::cli {
namespace {

/// "WxH", or the official "W*H".
void read_size(const std::string& text, Request& request) {
  const size_t split = text.find_first_of("xX*");
  require(split != std::string::npos, fmt::format("--size '{}': expected WIDTHxHEIGHT, for example 1280x704", text),
          ErrorKind::kUsage);
  request.width = number(std::string_view(text).substr(0, split), "--size", kSidePixels);
  request.height = number(std::string_view(text).substr(split + 1), "--size", kSidePixels);
}

/// "HIGH", or the older "LOW,HIGH".
void read_guidance(const std::string& text, std::string_view flag, Request& request) {
  const size_t comma = text.find(',');
  if (comma == std::string::npos) {
    request.guidance_scale = number(text, flag, kAnyNumber);
    return;
  }
  request.guidance_low = number(std::string_view(text).substr(0, comma), flag, kAnyNumber);
  request.guidance_high = number(std::string_view(text).substr(comma + 1), flag, kAnyNumber);
}

/// A seed of 32 bits: short enough to type, and exact wherever a number is read.
uint64_t drawn_seed() { return std::random_device()(); }

/// Adds the flag of each option, by the type of its member.
class AddOption {
 public:
  AddOption(CLI::App& command, Request& request, VideoFile video)
      : command_(command), request_(request), video_(video) {}

  template <class T, class Limit>
  void operator()(const Option& option, T& member, const Limit& limit) const {
    if (option.flag.empty() || (option.also == Also::kVideoFile && video_ == VideoFile::kNo)) return;
    const std::string flag(option.flag), help(option.help);
    Request& request = request_;
    CLI::Option* added = nullptr;
    switch (option.form) {
      case Form::kValue: added = value(flag, help, member, limit); break;
      case Form::kSize:
        added = text(flag, help, [&request](const std::string& word) { read_size(word, request); });
        break;
      case Form::kGuidance:
        added = text(flag, help, [&request, flag](const std::string& word) { read_guidance(word, flag, request); });
        break;
      case Form::kOff:
        if constexpr (NamedEnum<T>)
          added = command_.add_flag_callback(
              flag, [&member] { member = enum_value<T>("off").value(); }, help);
        else if constexpr (std::same_as<T, bool>)
          added = command_.add_flag_callback(
              flag, [&member] { member = true; }, help);
    }
    if (!option.value_name.empty()) added->type_name(std::string(option.value_name));
  }

 private:
  using Take = std::function<void(const std::string&)>;

  CLI::Option* text(const std::string& flag, const std::string& help, Take take) const {
    return command_.add_option_function<std::string>(flag, std::move(take), help);
  }

  template <class T>
  CLI::Option* value(const std::string& flag, const std::string& help, T& member, const Anything&) const {
    if constexpr (NamedEnum<T>) {
      return words(flag, help, enum_words<T>(),
                   [&member](const std::string& word) { member = enum_value<T>(word).value(); })
          ->default_str(text_of(member));
    } else if constexpr (std::same_as<T, std::vector<std::string>>) {
      const auto take = [&member](const std::vector<std::string>& given) { member = given; };
      return command_.add_option_function<std::vector<std::string>>(flag, take, help)->allow_extra_args(false);
    } else if constexpr (std::same_as<T, std::optional<MemorySize>>) {
      return text(flag, help, [&member, flag](const std::string& word) { member = memory_size_of(word, flag); });
    } else if constexpr (requires { member.has_value(); }) {
      using E = typename T::value_type;
      return words(flag, help, enum_words<E>(),
                   [&member](const std::string& word) { member = enum_value<E>(word).value(); });
    } else {
      return text(flag, help, [&member, flag](const std::string& word) {
        // A script's variable that is not set: what it was to name would be found somewhere else.
        if constexpr (std::same_as<T, std::filesystem::path>)
          require(!word.empty(), flag + ": expected a path, found an empty text", ErrorKind::kUsage);
        member = word;
      });
    }
  }
  template <class T, Number N>
  CLI::Option* value(const std::string& flag, const std::string& help, T& member, const Bounds<N>& bounds) const {
    // The one number of this type is the seed.
    const bool may_be_drawn = std::same_as<T, uint64_t> && video_ == VideoFile::kYes;
    const std::string what = describe(bounds) + (may_be_drawn ? ", or random: one is drawn and said" : "");
    CLI::Option* added = text(flag, fmt::format("{} ({})", help, what), [=, &member](const std::string& word) {
      if constexpr (std::same_as<T, uint64_t>)
        if (may_be_drawn && word == kRandomSeed) {
          member = drawn_seed();
          return;
        }
      member = number(word, flag, bounds);
    });
    return is_given(member) ? added->default_str(text_of(member)) : added;
  }
  CLI::Option* value(const std::string& flag, const std::string& help, std::string& member, const OneOf& choice) const {
    return words(flag, help, choice.words, [&member](const std::string& word) { member = word; });
  }
  CLI::Option* value(const std::string& flag, const std::string& help, bool& member, const OneOf& choice) const {
    const std::string yes = choice.words.back();
    return words(flag, help, choice.words, [&member, yes](const std::string& word) { member = word == yes; })
        ->default_str(choice.words[member ? 1 : 0]);
  }
  CLI::Option* words(const std::string& flag, const std::string& help, std::vector<std::string> all, Take take) const {
    return text(flag, help, std::move(take))->check(CLI::IsMember(std::move(all)));
  }

  CLI::App& command_;
  Request& request_;
  VideoFile video_;
};

/// What to write in place of --guidance-scale LOW,HIGH.
void tell_newer_guidance(const Request& request) {
  if (!request.guidance_low || !request.guidance_high) return;
  log::info(
      fmt::format("--guidance-scale LOW,HIGH is the older form: write --guidance-scale {} --guidance-scale-2 {} for "
                  "a model with two experts, --guidance-scale {} for another",
                  *request.guidance_high, *request.guidance_low, *request.guidance_low));
}

}  // namespace

void add_request_options(CLI::App& command, Request& request, VideoFile video,
                         const std::function<bool(const Option&)>& wanted) {
  const AddOption add(command, request, video);
  request_options(
      [&](const Option& option, auto& member, const auto& limit) {
        if (!wanted || wanted(option)) add(option, member, limit);
      },
      request);
}

Request checked(Request request) {
  check_request(request);
  if (request.device == "cuda") request.device = "cuda:0";
  return request;
}

Request understand(Request request) {
  require(!mixes_spellings(request),
          "--guidance-scale LOW,HIGH has the guidance of both experts: leave out --guidance-scale-2",
          ErrorKind::kUsage);
  request = checked(std::move(request));
  tell_newer_guidance(request);
  return request;
}

}  // namespace wan::cli
