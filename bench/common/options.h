// Options of the benchmark programs: ROLE --name=value ...
//
// Throws std::invalid_argument, with a sentence for the user, for what can't be read; Main (control.h) prints it.

#ifndef TIDEWAY_BENCH_COMMON_OPTIONS_H_
#define TIDEWAY_BENCH_COMMON_OPTIONS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace bench {

class Options {
 public:
  // `known`: the names that the program understands.
  Options(int argc, char** argv, const std::vector<std::string>& known);

  const std::string& role() const { return role_; }
  std::string Text(const std::string& name, const std::string& otherwise) const;
  uint64_t Number(const std::string& name, uint64_t otherwise) const;
  // One of `choices`; the first is the default.
  std::string Choice(const std::string& name, const std::vector<std::string>& choices) const;

 private:
  std::string role_;
  std::map<std::string, std::string> values_;
};

}  // namespace bench

#endif  // TIDEWAY_BENCH_COMMON_OPTIONS_H_
