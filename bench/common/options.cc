#include "bench/common/options.h"

#include <algorithm>
#include <charconv>
#include <stdexcept>

namespace bench {
namespace {

std::string Joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

bool Contains(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

}  // namespace

Options::Options(int argc, char** argv, const std::vector<std::string>& known) {
  if (argc < 2 || argv[1][0] == '-') throw std::invalid_argument("give a role: server or client");
  role_ = argv[1];
  for (int i = 2; i < argc; ++i) {
    const std::string text = argv[i];
    const size_t equals = text.find('=');
    if (!text.starts_with("--") || equals == std::string::npos) {
      throw std::invalid_argument("'" + text + "' is no option; write --name=value");
    }
    const std::string name = text.substr(2, equals - 2);
    if (!Contains(known, name)) {
      throw std::invalid_argument("no option --" + name + "; there are: " + Joined(known));
    }
    values_[name] = text.substr(equals + 1);
  }
}

std::string Options::Text(const std::string& name, const std::string& otherwise) const {
  auto it = values_.find(name);
  return it == values_.end() ? otherwise : it->second;
}

uint64_t Options::Number(const std::string& name, uint64_t otherwise) const {
  auto it = values_.find(name);
  if (it == values_.end()) return otherwise;
  uint64_t value = 0;
  const std::string& text = it->second;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    throw std::invalid_argument("--" + name + "=" + text + " is no whole number");
  }
  return value;
}

std::string Options::Choice(const std::string& name,
                            const std::vector<std::string>& choices) const {
  const std::string value = Text(name, choices.front());
  if (!Contains(choices, value)) {
    throw std::invalid_argument("--" + name + "=" + value + " must be one of " + Joined(choices));
  }
  return value;
}

}  // namespace bench
