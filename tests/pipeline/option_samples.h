// Requests made from the table of options: each differs from the default in one option, so that an option added to the
// table is tested wherever options are read or written.
#pragma once

#include <cmath>
#include <concepts>
#include <filesystem>
#include <iterator>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include <fmt/format.h>

#include "pipeline/request_options.h"
#include "pipeline/request_text.h"

namespace wan::test {

struct OptionSample {
  std::string key, flag;
  Form form = Form::kValue;
  Also also = Also::kNowhere;
  bool in_video = false;           // in the mp4's comment
  std::string text;                // the value's
  std::vector<std::string> texts;  // of a list, each of which has the flag before it
  Request request;
};

/// Gives one option of a request its value of a number: each word, both ends of what it may be, or a text that is hard
/// to quote. The visit of an option it is not for only counts.
class SetOption {
 public:
  SetOption(size_t option, size_t value) : wanted_(option), value_(value) {}

  template <class T, class Limit>
  void operator()(const Option& option, T& member, const Limit& limit) {
    if (count_++ != wanted_) return;
    made_ = set(member, limit);
    sample_ = {std::string(option.key), std::string(option.flag), option.form,      option.also,
               option.in_video(),       text_of(member),          texts_in(member), {}};
  }
  bool made() const { return made_; }
  size_t count() const { return count_; }
  const OptionSample& sample() const { return sample_; }

 private:
  template <class T>
  static std::vector<std::string> texts_in(const T& member) {
    if constexpr (std::is_same_v<T, std::vector<std::string>>)
      return member;
    else
      return {};
  }
  template <class T>
  bool set(T& member, const Anything&) {
    if constexpr (std::same_as<T, MemorySize>) {
      constexpr uint64_t kBytes[] = {uint64_t{12} << 30, 16'000'000'000, 7'623'566'950};
      if (value_ < std::size(kBytes)) member.bytes = kBytes[value_];
      return value_ < std::size(kBytes);
    } else if constexpr (NamedEnum<T>) {
      if (value_ < EnumNames<T>::kTable.size()) member = EnumNames<T>::kTable[value_].first;
      return value_ < EnumNames<T>::kTable.size();
    } else if constexpr (requires { member.has_value(); }) {
      member.emplace();
      return set(*member, Anything{});
    } else if constexpr (std::same_as<T, std::vector<std::string>>) {
      member = {"/nowhere/it's a file=0.7", "/second, \"Ünïcode\"=-1"};
      return value_ == 0;
    } else {
      member = std::is_same_v<T, std::filesystem::path> ? "/nowhere/it's a file" : "it's \"Ünïcode\",\nrm -rf $HOME";
      return value_ == 0;
    }
  }
  template <class T, Number N>
  bool set(T& member, const Bounds<N>& bounds) {
    const bool endless = std::floating_point<N> && bounds.least == std::numeric_limits<N>::lowest();
    if (value_ == 0) member = endless ? N(-0.25) : bounds.least;
    if (value_ == 1) member = endless || bounds.most == Bounds<double>{}.most ? N(7.5) : bounds.most;
    return value_ < 2;
  }
  bool set(std::string& member, const OneOf& choice) {
    if (value_ < choice.words.size()) member = choice.words[value_];
    return value_ < choice.words.size();
  }
  bool set(bool& member, const OneOf&) {
    member = value_ == 1;
    return value_ < 2;
  }

  size_t wanted_, value_, count_ = 0;
  bool made_ = false;
  OptionSample sample_;
};

/// Of every option, in the table's order.
inline std::vector<OptionSample> option_samples() {
  std::vector<OptionSample> samples;
  size_t options = 1;
  for (size_t option = 0; option < options; ++option)
    for (size_t value = 0;; ++value) {
      Request request;
      SetOption set(option, value);
      request_options(set, request);
      options = set.count();
      if (!set.made()) break;
      samples.push_back(set.sample());
      samples.back().request = request;
    }
  return samples;
}

/// A number that an option refuses, as text.
struct Refused {
  std::string key, flag, number;
  bool is_whole = true;
};

/// Of every number: just outside its bounds where a number is left there, and beyond its type.
inline std::vector<Refused> refused_numbers() {
  std::vector<Refused> all;
  Request request;
  request_options(
      [&]<class T, class Limit>(const Option& option, T&, const Limit& limit) {
        if constexpr (requires { limit.least; }) {
          using N = decltype(limit.least);
          const auto add = [&](const std::string& number) {
            all.push_back({std::string(option.key), std::string(option.flag), number, std::integral<N>});
          };
          if constexpr (std::integral<N>) {
            add("99999999999999999999");
            add("4294967299.5");
            if (limit.most < std::numeric_limits<int64_t>::max()) add(fmt::format("{}", int64_t(limit.most) + 1));
            if (std::same_as<N, int>) add("4294967299");  // 3 after a careless cast
            add("-1");
          } else {
            add("1e999");
            if (limit.least > std::numeric_limits<N>::lowest()) add("-1e-9");
            if (limit.most < std::numeric_limits<N>::max()) add(fmt::format("{}", std::nextafter(limit.most, 1e300)));
          }
        }
      },
      request);
  return all;
}

}  // namespace wan::test
