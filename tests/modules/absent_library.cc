// Stands for a library that was there when a module was built and is missing where it runs.

int AnswerOfTheAbsentLibrary() { return 42; }
