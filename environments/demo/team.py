"""The people who write the demo's applications. All are invented."""

from environments.demo.history import Person

AMINA = Person("Amina Keller", "amina.keller@shop.example", "+0100")
BRUNO = Person("Bruno Tanaka", "bruno.tanaka@shop.example", "+0100")
CARLA = Person("Carla Lindqvist", "carla.lindqvist@shop.example", "-0500")
DEV = Person("Dev Okonkwo", "dev.okonkwo@shop.example", "+0530")
ELIF = Person("Elif Moreau", "elif.moreau@shop.example", "+0000")
