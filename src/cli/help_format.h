// How --help is laid out: 80 columns, broken between words only, long lists of choices too.
#pragma once

#include <string>

#include <CLI/CLI.hpp>

namespace wan::cli {

class HelpFormatter final : public CLI::Formatter {
 public:
  std::string make_option(const CLI::Option* option, bool is_positional) const override;
  std::string make_subcommand(const CLI::App* command) const override;
  std::string make_description(const CLI::App* command) const override;
  std::string make_usage(const CLI::App* command, std::string name) const override;
  std::string make_footer(const CLI::App* command) const override;
};

}  // namespace wan::cli
