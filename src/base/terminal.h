// The one door to a terminal: names, prompts and messages from files and other programs pass it and can neither steer
// the terminal nor fake a line of ours.
#pragma once

#include <concepts>
#include <string>
#include <string_view>
#include <type_traits>

#include <fmt/format.h>

namespace wan {

/// `text` fit for one line: control characters (C0, DEL, C1), line and paragraph separators and characters that turn
/// the direction of writing as \x1b or \u202e, bytes that are no UTF-8 as \xff. Other text is kept as it is.
std::string terminal_text(std::string_view text);

/// The same for text of several lines: line feeds stay, and every line but the first is indented, so that none can pass
/// for a line of ours.
std::string terminal_lines(std::string_view text);

/// Text that is fit already, line feeds and all: what `wrapped` returns, or a document of ours.
struct Lines {
  std::string text;
};

/// What stands for an argument in a line: text made fit, all else itself.
template <class T>
using Shown = std::conditional_t<std::is_convertible_v<const T&, std::string_view>, std::string, T>;

template <class T>
decltype(auto) shown(const T& value) {
  if constexpr (std::is_convertible_v<const T&, std::string_view>)
    return terminal_text(value);
  else
    return static_cast<const T&>(value);
}

/// Formats a line for a terminal; texts among `arguments` pass terminal_text.
template <class... Arguments>
std::string terminal_format(fmt::format_string<std::type_identity_t<Shown<Arguments>>...> format,
                            const Arguments&... arguments) {
  return fmt::vformat(format, fmt::make_format_args(static_cast<const Shown<Arguments>&>(shown(arguments))...));
}

/// Writes to standard output. Throws Error(kRuntime) when that fails.
void print_raw(std::string_view text);

/// terminal_format, to standard output.
template <class... Arguments>
void print(fmt::format_string<std::type_identity_t<Shown<Arguments>>...> format, const Arguments&... arguments) {
  print_raw(terminal_format(format, arguments...));
}

/// Sees to it that all of standard output was taken: a full disk shows only here. Throws Error(kRuntime).
void finish_output();

}  // namespace wan

template <>
struct fmt::formatter<wan::Lines> : fmt::formatter<std::string_view> {
  template <class Context>
  auto format(const wan::Lines& lines, Context& context) const {
    return fmt::formatter<std::string_view>::format(lines.text, context);
  }
};
